import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { NoDataKeyError } from '../../../src/platform/keys/data-keys.ts';
import { createKeyFile, endOldForm } from '../../../src/platform/keys/key-file.ts';
import { Keyring } from '../../../src/platform/keys/keyring.ts';
import { keyIdOf, UnsealError } from '../../../src/platform/keys/sealed-box.ts';
import { Sealer, type SecretKey, type SecretOwner } from '../../../src/platform/keys/sealer.ts';
import { describeEachDatabase, type TestDatabase } from '../../support/databases.ts';
import { ageKeyFile, newKeyring, sealOldForm } from '../../support/keys.ts';

const OWNER: SecretOwner = { environmentId: 'e1', kind: 'datastore', id: 'd1', boundTo: 'here' };
const PATH = 'password';

describeEachDatabase('the sealer', (open) => {
  let opened: TestDatabase;
  let keyring: Keyring;
  let sealer: Sealer;

  beforeAll(async () => {
    opened = await open();
    keyring = await newKeyring();
    sealer = new Sealer(opened.database, keyring);
    for (const id of ['e1', 'e2']) await newEnvironment(id);
  });

  const newEnvironment = async (id: string) => {
    await opened.database.change(async (change) => {
      const values = { id, name: id, created_at: '', updated_at: '', created_by: '' };
      await change.query.insertInto('environments').values(values).execute();
      await sealer.createDataKey(change, id);
    });
    return id;
  };
  const newKey = (owner = OWNER) => opened.database.change((change) => sealer.newKey(change, owner));
  const stored = ({ id, wrapped }: SecretKey) => ({ id, wrapped });
  const restarted = (ring = keyring) => new Sealer(opened.database, ring);

  it.each(['hunter2', '', 'ünïcödé \u0000 𝄞', 'x'.repeat(70_000)])('opens what it sealed', async (text) => {
    const key = await newKey();
    const sealed = key.seal(PATH, text);
    expect(sealed).toMatch(/^v1\.[0-9a-f-]{36}\.[\w-]{16}\.[\w-]*\.[\w-]{22}$/);
    expect(key.open(PATH, sealed)).toBe(text);
    expect((await restarted().openKey(OWNER, stored(key))).open(PATH, sealed)).toBe(text);
    if (text) expect(sealed).not.toContain(text.slice(0, 20));
  });

  it('seals the same text differently each time, and each time with another key', async () => {
    const [one, other] = [await newKey(), await newKey()];
    expect(one.seal(PATH, 'hunter2')).not.toBe(one.seal(PATH, 'hunter2'));
    expect(() => other.open(PATH, one.seal(PATH, 'hunter2'))).toThrow(UnsealError);
  });

  it('opens inside of a change by its query', async () => {
    const key = await newKey();
    const again = opened.database.change(({ query }) => restarted().openKey(OWNER, stored(key), query));
    expect((await again).open(PATH, key.seal(PATH, 'hunter2'))).toBe('hunter2');
  });

  it('asks the database for a data key once, and keeps no secret key', async () => {
    const key = await newKey();
    const fresh = restarted();
    opened.statements.length = 0;
    for (let index = 0; index < 5; index += 1) await fresh.openKey(OWNER, stored(key));
    expect(opened.statements).toHaveLength(1);
  });

  it.each<[string, Partial<SecretOwner>]>([
    ['another environment', { environmentId: 'e2' }],
    ['another datastore', { id: 'd2' }],
    ['a test', { kind: 'test' }],
    ['other destinations', { boundTo: 'elsewhere' }],
  ])('does not open a key for %s', async (_, change) => {
    const key = await newKey();
    for (const each of [sealer, restarted()])
      await expect(each.openKey({ ...OWNER, ...change }, stored(key))).rejects.toThrow(UnsealError);
  });

  it('wraps no key by a data key that another process has retired', async () => {
    const environmentId = await newEnvironment('retiring');
    const owner = { ...OWNER, environmentId };
    const activeId = async () => {
      const active = opened.database.query.selectFrom('data_keys').select('id').where('active', '=', 1);
      return (await active.where('environment_id', '=', environmentId).executeTakeFirstOrThrow()).id;
    };
    for (let round = 0; round < 3; round += 1) {
      const former = await activeId();
      expect(keyIdOf((await newKey(owner)).wrapped)).toBe(former);
      await opened.database.change(async (change) => {
        await change.query.updateTable('data_keys').set({ active: 0 }).where('id', '=', former).execute();
        await restarted().createDataKey(change, environmentId);
      });
      expect(await activeId()).not.toBe(former);
      expect(keyIdOf((await newKey(owner)).wrapped)).toBe(await activeId());
    }
    await opened.database.query.deleteFrom('data_keys').where('environment_id', '=', environmentId).execute();
    await expect(newKey(owner)).rejects.toThrow(NoDataKeyError);
  });

  it('does not open a key as another one', async () => {
    const [one, other] = [await newKey(), await newKey()];
    await expect(sealer.openKey(OWNER, { id: other.id, wrapped: one.wrapped })).rejects.toThrow(UnsealError);
    await expect(sealer.openKey(OWNER, { id: one.id, wrapped: one.seal(PATH, 'hunter2') })).rejects.toThrow(
      UnsealError,
    );
  });

  it('does not open what was moved to another field', async () => {
    const key = await newKey();
    expect(() => key.open('tls.clientKey', key.seal(PATH, 'hunter2'))).toThrow(UnsealError);
  });

  it('does not open what was altered, in any part', async () => {
    const key = await newKey();
    const sealed = key.seal(PATH, 'hunter2');
    const parts = sealed.split('.');
    const other = (await newKey({ ...OWNER, environmentId: 'e2' })).seal(PATH, 'hunter2').split('.');
    const altered = parts.map((part, index) =>
      parts.with(index, index < 2 ? (other[index] ?? '') : flipFirst(part)).join('.'),
    );
    altered[0] = parts.with(0, 'v2').join('.');
    for (const text of [...altered, '', 'v1', `${sealed}.x`, parts.slice(0, 4).join('.')]) {
      expect(() => key.open(PATH, text)).toThrow('The sealed value does not open');
      await expect(sealer.openKey(OWNER, { id: key.id, wrapped: text })).rejects.toThrow(UnsealError);
    }
  });

  it('does not open with a shortened tag', async () => {
    const key = await newKey();
    const parts = key.seal(PATH, 'hunter2').split('.');
    const tag = Buffer.from(parts[4] ?? '', 'base64url');
    for (const length of [0, 4, 8, 12, 15]) {
      const short = parts.with(4, tag.subarray(0, length).toString('base64url')).join('.');
      expect(() => key.open(PATH, short)).toThrow(UnsealError);
    }
  });

  it('does not open with another key file', async () => {
    const key = await newKey();
    await expect(restarted(await newKeyring()).openKey(OWNER, stored(key))).rejects.toThrow(UnsealError);
  });

  it('does not open once a data key was put in the place of another', async () => {
    const key = await newKey();
    const { wrapped } = await opened.database.query
      .selectFrom('data_keys')
      .select('wrapped')
      .where('environment_id', '=', 'e2')
      .executeTakeFirstOrThrow();
    const { id, ...row } = await opened.database.query
      .selectFrom('data_keys')
      .selectAll()
      .where('environment_id', '=', 'e1')
      .executeTakeFirstOrThrow();
    await opened.database.query.updateTable('data_keys').set({ wrapped }).where('id', '=', id).execute();
    await expect(restarted().openKey(OWNER, stored(key))).rejects.toThrow(UnsealError);
    await opened.database.query.updateTable('data_keys').set(row).where('id', '=', id).execute();
    expect((await restarted().openKey(OWNER, stored(key))).id).toBe(key.id);
  });

  it('has one active data key an environment, and none for an unknown one', async () => {
    const second = opened.database.change((change) => sealer.createDataKey(change, 'e1'));
    await expect(second).rejects.toThrow();
    await expect(newKey({ ...OWNER, environmentId: 'e3' })).rejects.toThrow('has no data key');
  });

  it('opens what an older version has sealed, until the key file says that there is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gateway-old-form-'));
    const path = join(folder, 'master.key');
    await createKeyFile(path);
    const made = await readFile(path, 'utf8');
    await ageKeyFile(path);
    const old = await Keyring.load(path);
    const environment = { id: 'e-old', name: 'old', created_at: '', updated_at: '', created_by: '' };
    await opened.database.change(async (change) => {
      await change.query.insertInto('environments').values(environment).execute();
      await restarted(old).createDataKey(change, environment.id);
    });
    const owner = { ...OWNER, environmentId: environment.id };
    const sealed = await sealOldForm(opened.database, old, owner, PATH, 'hunter2');
    expect(await restarted(old).openOldForm(owner, PATH, sealed)).toBe('hunter2');
    for (const wrong of [{ id: 'd2' }, { environmentId: 'e1' }])
      await expect(restarted(old).openOldForm({ ...owner, ...wrong }, PATH, sealed)).rejects.toThrow(UnsealError);
    await expect(restarted(old).openOldForm(owner, 'tls.clientKey', sealed)).rejects.toThrow(UnsealError);
    // a text of the new form is none of the old
    const key = await opened.database.change((change) => restarted(old).newKey(change, owner));
    await expect(restarted(old).openOldForm(owner, PATH, key.seal(PATH, 'hunter2'))).rejects.toThrow(UnsealError);

    await endOldForm(path);
    expect(await readFile(path, 'utf8')).toBe(made);
    const marked = restarted(await Keyring.load(path));
    await expect(marked.openOldForm(owner, PATH, sealed)).rejects.toThrow(UnsealError);
    expect((await marked.openKey(owner, stored(key))).open(PATH, key.seal(PATH, 'hunter2'))).toBe('hunter2');
    await rm(folder, { recursive: true });
  });
});

function flipFirst(part: string): string {
  return (part.startsWith('A') ? 'B' : 'A') + part.slice(1);
}
