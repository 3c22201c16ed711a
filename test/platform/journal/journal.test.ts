import type { Updateable } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import type { Database } from '../../../src/platform/database/database.ts';
import type { JournalTable } from '../../../src/platform/database/tables.ts';
import { JournalHeadLog, readLoggedHead } from '../../../src/platform/journal/heads.ts';
import {
  appendJournal,
  holdsLoggedHead,
  type JournalEntry,
  journalChains,
  journalTopic,
  readJournal,
  verifyJournal,
} from '../../../src/platform/journal/journal.ts';
import type { Keyring } from '../../../src/platform/keys/keyring.ts';
import { createLogger } from '../../../src/platform/telemetry/logger.ts';
import { describeEachDatabase } from '../../support/databases.ts';
import { newKeyring } from '../../support/keys.ts';

const WRITERS = 32;
const EACH = 5;

describeEachDatabase('the journal', (open) => {
  let shared: Database;
  let keyring: Keyring;

  const headLog = () => {
    const written: string[] = [];
    const logger = createLogger({ level: 'info', destination: { write: (line: string) => void written.push(line) } });
    return { lines: () => written, heads: new JournalHeadLog(keyring, logger) };
  };

  beforeAll(async () => {
    shared = (await open()).database;
    keyring = await newKeyring();
  });

  it('gives 32 writers in two processes a chain without gaps, in commit order', async () => {
    const { database, openAgain } = await open();
    const other = await openAgain();
    const heads: number[] = [];
    const watch = async () => {
      const row = await database.query
        .selectFrom('journal')
        .select((eb) => eb.fn.max('sequence').as('last'))
        .executeTakeFirst();
      const rows = await database.query
        .selectFrom('journal')
        .select('sequence')
        .where('sequence', '<=', row?.last ?? 0)
        .execute();
      // whoever has read up to a sequence will never find an earlier one later
      heads.push(Number(row?.last ?? 0) - rows.length);
    };
    const write = async (writer: number) => {
      const at = writer % 2 ? database : other.database;
      for (let count = 0; count < EACH; count += 1) {
        await append(at, keyring, entry('e1', `${writer}/${count}`));
        await watch();
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
    const rows = await database.query.selectFrom('journal').selectAll().orderBy('sequence').execute();
    expect(rows.map((row) => row.sequence)).toEqual(Array.from({ length: WRITERS * EACH }, (_, index) => index + 1));
    expect(new Set(rows.map((row) => row.subject_id)).size).toBe(WRITERS * EACH);
    expect(heads.every((missing) => missing === 0)).toBe(true);
    expect(await verifyJournal(database.query, keyring, 'e1')).toEqual({ intact: WRITERS * EACH, brokenAt: null });
  });

  it('keeps a chain for each environment and one for the gateway itself, and rings theirs', async () => {
    const { database, doorbell } = await open();
    const rung = new Promise<void>((resolve) => doorbell.on(journalTopic('e2'), resolve));
    const quiet: string[] = [];
    doorbell.on(journalTopic('e1'), () => quiet.push('e1'));
    expect(await append(database, keyring, entry('', 'gateway'))).toEqual({ sequence: 1 });
    // one that is no datastore event is told to nobody
    expect(await append(database, keyring, { ...entry('e1', 'one'), kind: '' })).toEqual({ sequence: 1 });
    expect(await append(database, keyring, entry('e2', 'two'))).toEqual({ sequence: 1 });
    expect(await append(database, keyring, entry('e2', 'two again'))).toEqual({ sequence: 2 });
    for (const [id, length] of [
      ['', 1],
      ['e1', 1],
      ['e2', 2],
      ['unknown', 0],
    ] as const) {
      expect(await verifyJournal(database.query, keyring, id)).toEqual({ intact: length, brokenAt: null });
    }
    await rung;
    expect(quiet).toEqual([]);
  });

  it('has an outcome in its MAC that cannot stand for whom it was done', async () => {
    const outcome = 'REFUSED' as const;
    await append(shared, keyring, { ...entry('outcome', 'refused'), outcome });
    expect(await verifyJournal(shared.query, keyring, 'outcome')).toEqual({ intact: 1, brokenAt: null });
    const forged = { outcome: 'SUCCEEDED', on_behalf_of: JSON.stringify({ outcome }) };
    for (const values of [{ outcome: 'SUCCEEDED' }, { outcome: 'FAILED' }, forged]) {
      await update({ database: shared, id: 'outcome' }, 1, values);
      expect(await verifyJournal(shared.query, keyring, 'outcome')).toEqual({ intact: 0, brokenAt: 1 });
    }
  });

  it('leaves no gap behind a change that is undone', async () => {
    await append(shared, keyring, entry('undo', 'stays'));
    const undone = shared.change(async (change) => {
      await appendJournal(change, keyring, entry('undo', 'goes'));
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await append(shared, keyring, entry('undo', 'follows'))).toEqual({ sequence: 2 });
    expect(await verifyJournal(shared.query, keyring, 'undo')).toEqual({ intact: 2, brokenAt: null });
  });

  it('leaves no gap behind those that are undone of many changes at once', async () => {
    const chains = ['many', 'others'];
    // the first that is undone takes back those that share a COMMIT with it; from then on each is undone by itself
    for (const round of [1, 2]) {
      const changes = Array.from({ length: 24 }, (_, number) =>
        shared.change(async (change) => {
          for (const chain of chains) await appendJournal(change, keyring, entry(chain, `${round}/${number}`));
          if (number % 3 === 0) throw new Error('undone');
        }),
      );
      const settled = await Promise.allSettled(changes);
      expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(8);
      for (const chain of chains)
        expect(await verifyJournal(shared.query, keyring, chain)).toEqual({ intact: 16 * round, brokenAt: null });
    }
  });

  it.each<[string, (chain: Chain) => Promise<unknown>, number]>([
    ['changed', (chain) => update(chain, 3, { actor: 'someone else' }), 3],
    ['laid at somebody’s door', (chain) => update(chain, 3, { on_behalf_of: 'Ann' }), 3],
    ['told to have ended otherwise', (chain) => update(chain, 2, { outcome: 'REFUSED' }), 2],
    ['changed in its detail', (chain) => update(chain, 1, { detail: '{}' }), 1],
    ['deleted', ({ database, id }) => entriesFrom(database, id, 4).where('sequence', '=', 4).execute(), 4],
    ['swapped', swap, 2],
    ['cut off at the end', ({ database, id }) => entriesFrom(database, id, 5).execute(), 5],
    ['cut off with the head set back', cutWithHead, 4],
  ])('finds an entry that was %s', async (id, tamper, brokenAt) => {
    for (let count = 1; count <= 6; count += 1) await append(shared, keyring, entry(id, String(count)));
    expect(await verifyJournal(shared.query, keyring, id)).toEqual({ intact: 6, brokenAt: null });
    await tamper({ database: shared, id });
    expect(await verifyJournal(shared.query, keyring, id)).toEqual({ intact: brokenAt - 1, brokenAt });
  });

  it('finds by the signed ends in the log what was cut off together with the end, or put back and gone on with', async () => {
    const { lines, heads } = headLog();
    const { database, journaled } = await open();
    const flush = () => {
      for (const head of journaled.splice(0)) heads.note(head);
      heads.flush();
    };
    for (const id of ['a', 'b', 'b']) await append(database, keyring, entry(id, 'kept'));
    flush();
    const older = await database.query
      .selectFrom('journal_heads')
      .selectAll()
      .where('environment_id', '=', 'b')
      .execute();
    await append(database, keyring, entry('b', 'cut off'));
    flush();
    const missing = async () => {
      const logged = lines().flatMap((line) => readLoggedHead(keyring, line) ?? []);
      const held = await Promise.all(logged.map((head) => holdsLoggedHead(database.query, head)));
      return logged.filter((_, at) => !held[at]).map(({ environmentId, sequence }) => `${environmentId} ${sequence}`);
    };
    expect(await missing()).toEqual([]);
    await entriesFrom(database, 'b', 3).execute();
    for (const head of older)
      await database.query.updateTable('journal_heads').set(head).where('environment_id', '=', 'b').execute();
    expect(await verifyJournal(database.query, keyring, 'b')).toEqual({ intact: 2, brokenAt: null });
    expect(await missing()).toEqual(['b 3']);
    await append(database, keyring, entry('b', 'another'));
    flush();
    expect(await verifyJournal(database.query, keyring, 'b')).toEqual({ intact: 3, brokenAt: null });
    expect(await missing()).toEqual(['b 3']);
    await database.query.deleteFrom('journal_heads').where('environment_id', '=', 'b').execute();
    expect(await journalChains(database.query)).toEqual(['', 'a', 'b']);
    expect((await verifyJournal(database.query, keyring, 'b')).brokenAt).toBe(4);
    const told: string[] = [];
    for await (const { subject_id } of readJournal(database.query, 'b')) told.push(subject_id);
    expect(told).toEqual(['kept', 'kept', 'another']);
  });

  it('takes no end from a log that was not signed with its keys, or was changed', async () => {
    const { lines, heads } = headLog();
    heads.note({ environmentId: 'e', sequence: 7, mac: 'abc' });
    heads.note({ environmentId: 'e', sequence: 6, mac: 'earlier' });
    heads.flush();
    const [line = ''] = lines();
    expect(readLoggedHead(keyring, line)).toEqual({ environmentId: 'e', sequence: 7, mac: 'abc' });
    expect(readLoggedHead(keyring, '{"msg":"listening"}')).toBeNull();
    const others = await newKeyring();
    expect(() => readLoggedHead(others, line)).toThrow('not signed with these keys');
    expect(() => readLoggedHead(keyring, line.replace('"sequence":7', '"sequence":8'))).toThrow('not signed');
    expect(() => readLoggedHead(keyring, '{"msg":"journal head"}')).toThrow('not whole');
  });

  it('does not verify with other keys', async () => {
    await append(shared, keyring, entry('other keys', 'one'));
    expect(await verifyJournal(shared.query, await newKeyring(), 'other keys')).toEqual({ intact: 0, brokenAt: 1 });
  });
});

interface Chain {
  readonly database: Database;
  readonly id: string;
}

function entry(environmentId: string, subjectId: string): JournalEntry {
  return {
    environmentId,
    kind: 'UPDATED',
    action: 'datastore.update',
    actor: { name: 'tests', onBehalfOf: null },
    subjectType: 'datastore',
    subjectId,
    detail: { label: 'ä' },
  };
}

function append(database: Database, keyring: Keyring, what: JournalEntry): Promise<{ sequence: number }> {
  return database.change((change) => appendJournal(change, keyring, what));
}

async function update({ database, id }: Chain, sequence: number, values: Updateable<JournalTable>): Promise<void> {
  await database.query
    .updateTable('journal')
    .set(values)
    .where('environment_id', '=', id)
    .where('sequence', '=', sequence)
    .execute();
}

function entriesFrom(database: Database, id: string, sequence: number) {
  return database.query.deleteFrom('journal').where('environment_id', '=', id).where('sequence', '>=', sequence);
}

async function swap(chain: Chain): Promise<void> {
  await update(chain, 2, { sequence: 99 });
  await update(chain, 3, { sequence: 2 });
  await update(chain, 99, { sequence: 3 });
}

/** The mac of the head cannot be made without the key: putting an older sequence alone is found. */
async function cutWithHead({ database, id }: Chain): Promise<void> {
  await entriesFrom(database, id, 4).execute();
  await database.query.updateTable('journal_heads').set({ sequence: 3 }).where('environment_id', '=', id).execute();
}
