import { expect, it, vi } from 'vitest';
import { JournalTail } from '../../src/modules/datastores/journal-tail.ts';
import type { Change, Database } from '../../src/platform/database/database.ts';
import { anyJournalTopic, journalTopic } from '../../src/platform/journal/journal.ts';
import { LocalDoorbell } from '../../src/platform/streams/doorbell.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';

/** Adds an event to a chain. */
async function addEvent({ query }: Change, environmentId: string, sequence: number): Promise<void> {
  await query.deleteFrom('journal_heads').where('environment_id', '=', environmentId).execute();
  await query.insertInto('journal_heads').values({ environment_id: environmentId, sequence, mac: '' }).execute();
  const names = { id: `${environmentId} ${sequence}`, environment_id: environmentId, subject_id: 'd', kind: 'UPDATED' };
  const texts = { at: '', action: '', actor: '', subject_type: 'DATASTORE', detail: '', mac: '' };
  await query
    .insertInto('journal')
    .values({ ...names, ...texts, sequence })
    .execute();
}

describeEachDatabase('the tail of the journal', (open) => {
  async function start() {
    const { database } = await open();
    const doorbell = new LocalDoorbell();
    let isAway = false;
    // what is asked while the database is away fails
    const fragile = new Proxy(database, {
      get(target, name) {
        if (isAway && name === 'query') throw new Error('the database is away');
        return Reflect.get(target, name, target);
      },
    }) as Database;
    const add = (environmentId: string, sequence: number) =>
      database.change((change) => addEvent(change, environmentId, sequence));
    return {
      doorbell,
      tail: new JournalTail(fragile, doorbell),
      add,
      away: (whether: boolean) => {
        isAway = whether;
      },
    };
  }

  it('rings those who listen to what was rung once it has read, and listens once for all of them', async () => {
    const { doorbell, tail, add } = await start();
    await tail.refresh();
    const next = tail.end;
    const seen: (number | undefined)[] = [];
    const ofOne = () => seen.push(tail.since(next)?.length);
    const ends = [ofOne, ofOne].map((listener) => tail.on(journalTopic('one'), listener));
    const ofOther = vi.fn();
    ends.push(tail.on(journalTopic('other'), ofOther));
    expect(doorbell.size).toBe(2);
    await add('one', 1);
    doorbell.ring(journalTopic('one'));
    doorbell.ring(journalTopic('one'));
    expect(seen).toEqual([]);
    await eventually(() => seen.length > 0);
    expect(seen).toEqual([1, 1]);
    expect(ofOther).not.toHaveBeenCalled();
    for (const end of ends) end();
    expect(doorbell.size).toBe(0);
  });

  it('rings when it could not read as well, says so, and misses nothing', async () => {
    const { doorbell, tail, add, away } = await start();
    await tail.refresh();
    const next = tail.end;
    const rung = vi.fn();
    tail.on(anyJournalTopic, rung);
    await add('one', 1);
    away(true);
    doorbell.ring(anyJournalTopic);
    await eventually(() => rung.mock.calls.length === 1);
    expect(tail.failed).toBe(true);
    await expect(tail.refresh()).rejects.toThrow('the database is away');
    away(false);
    await tail.refresh();
    expect(tail.failed).toBe(false);
    expect(tail.since(next)?.map(({ sequence }) => sequence)).toEqual([1]);
  });

  it('reads again what is rung while it reads', async () => {
    const { doorbell, tail, add } = await start();
    await tail.refresh();
    const next = tail.end;
    const rung = vi.fn();
    tail.on(anyJournalTopic, rung);
    for (const sequence of [1, 2, 3]) {
      await add('one', sequence);
      doorbell.ring(anyJournalTopic);
    }
    await eventually(() => tail.since(next)?.length === 3);
    expect(rung).toHaveBeenCalled();
  });
});
