import { beforeAll, expect, it } from 'vitest';
import type { Keyring } from '../../src/platform/keyring.ts';
import { UnsealError } from '../../src/platform/sealed-box.ts';
import { type SealedPlace, Sealer } from '../../src/platform/sealer.ts';
import { describeEachDatabase, type TestDatabase } from '../support/databases.ts';
import { newKeyring } from '../support/keys.ts';

const PLACE: SealedPlace = { environmentId: 'e1', ownerId: 'd1', path: 'password' };

describeEachDatabase('the sealer', (open) => {
  let opened: TestDatabase;
  let keyring: Keyring;
  let sealer: Sealer;

  beforeAll(async () => {
    opened = await open();
    keyring = await newKeyring();
    sealer = new Sealer(opened.database, keyring);
    await opened.database.change(async (change) => {
      for (const id of ['e1', 'e2']) {
        await change.query
          .insertInto('environments')
          .values({ id, name: id, created_at: '', updated_at: '', created_by: '' })
          .execute();
        await sealer.createDataKey(change, id);
      }
    });
  });

  const seal = (text: string, place = PLACE) => opened.database.change((change) => sealer.seal(change, place, text));

  it.each(['hunter2', '', 'ünïcödé \u0000 𝄞', 'x'.repeat(70_000)])('opens what it sealed', async (text) => {
    const sealed = await seal(text);
    expect(sealed).toMatch(/^v1\.[0-9a-f-]{36}\.[\w-]{16}\.[\w-]*\.[\w-]{22}$/);
    expect(await sealer.open(PLACE, sealed)).toBe(text);
    if (text) expect(sealed).not.toContain(text.slice(0, 20));
  });

  it('seals the same text differently each time', async () => {
    expect(await seal('hunter2')).not.toBe(await seal('hunter2'));
  });

  it('opens inside of a change by its query, and after a restart', async () => {
    const sealed = await seal('hunter2');
    const restarted = new Sealer(opened.database, keyring);
    expect(await opened.database.change(({ query }) => restarted.open(PLACE, sealed, query))).toBe('hunter2');
    expect(await new Sealer(opened.database, keyring).open(PLACE, sealed)).toBe('hunter2');
  });

  it('asks the database for a data key once', async () => {
    const sealed = await seal('hunter2');
    const restarted = new Sealer(opened.database, keyring);
    opened.statements.length = 0;
    for (let index = 0; index < 5; index += 1) await restarted.open(PLACE, sealed);
    expect(opened.statements).toHaveLength(1);
  });

  it.each([
    ['environment', { ...PLACE, environmentId: 'e2' }],
    ['datastore', { ...PLACE, ownerId: 'd2' }],
    ['field', { ...PLACE, path: 'tls.clientKey' }],
    ['field and datastore run together', { ...PLACE, ownerId: 'd1p', path: 'assword' }],
  ])('does not open what was moved to another %s', async (_, place) => {
    const sealed = await seal('hunter2');
    await expect(sealer.open(place, sealed)).rejects.toThrow(UnsealError);
    await expect(new Sealer(opened.database, keyring).open(place, sealed)).rejects.toThrow(UnsealError);
  });

  it('does not open what was altered, in any part', async () => {
    const sealed = await seal('hunter2');
    const parts = sealed.split('.');
    const other = (await seal('hunter2', { ...PLACE, environmentId: 'e2' })).split('.');
    const altered = parts.map((part, index) =>
      parts.with(index, index < 2 ? (other[index] ?? '') : flipFirst(part)).join('.'),
    );
    altered[0] = parts.with(0, 'v2').join('.');
    for (const text of [...altered, '', 'v1', `${sealed}.x`, parts.slice(0, 4).join('.')]) {
      await expect(sealer.open(PLACE, text)).rejects.toThrow('The sealed value does not open');
    }
  });

  it('does not open with a shortened tag', async () => {
    const parts = (await seal('hunter2')).split('.');
    const tag = Buffer.from(parts[4] ?? '', 'base64url');
    for (const length of [0, 4, 8, 12, 15]) {
      const short = parts.with(4, tag.subarray(0, length).toString('base64url')).join('.');
      await expect(sealer.open(PLACE, short)).rejects.toThrow(UnsealError);
    }
  });

  it('does not open with another key file', async () => {
    const sealed = await seal('hunter2');
    await expect(new Sealer(opened.database, await newKeyring()).open(PLACE, sealed)).rejects.toThrow(UnsealError);
  });

  it('does not open once a data key was put in the place of another', async () => {
    const sealed = await seal('hunter2');
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
    await expect(new Sealer(opened.database, keyring).open(PLACE, sealed)).rejects.toThrow(UnsealError);
    await opened.database.query.updateTable('data_keys').set(row).where('id', '=', id).execute();
    expect(await new Sealer(opened.database, keyring).open(PLACE, sealed)).toBe('hunter2');
  });

  it('has one active data key an environment, and none for an unknown one', async () => {
    const second = opened.database.change((change) => sealer.createDataKey(change, 'e1'));
    await expect(second).rejects.toThrow();
    await expect(seal('hunter2', { ...PLACE, environmentId: 'e3' })).rejects.toThrow('has no data key');
  });
});

function flipFirst(part: string): string {
  return (part.startsWith('A') ? 'B' : 'A') + part.slice(1);
}
