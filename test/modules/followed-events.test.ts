import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { eventStored, keepEvents, keptEvents } from '../../src/modules/connection-tests/followed-events.ts';
import { type StoredEvent, unstarted } from '../../src/modules/connection-tests/test.ts';

const snapshot = unstarted([]);

function event(sequence: number): StoredEvent {
  return { sequence, at: new Date(sequence).toISOString(), checkName: null, snapshot };
}

/** A test that somebody follows, of which these events were stored. */
function followed(...sequences: number[]): string {
  const id = randomUUID();
  onTestFinished(keepEvents(id));
  for (const sequence of sequences) eventStored(id, event(sequence));
  return id;
}

function kept(id: string, after: number): number[] | undefined {
  return keptEvents(id, after)?.map(({ sequence }) => sequence);
}

test('gives what comes after an event of which it has all since', () => {
  const id = followed(3, 4, 5);
  expect([2, 3, 4].map((after) => kept(id, after))).toEqual([[3, 4, 5], [4, 5], [5]]);
});

test('leaves it to the database where an event is missing, or nothing new is known', () => {
  const id = followed(3, 4, 5);
  expect([0, 1, 5, 6].map((after) => kept(id, after))).toEqual([undefined, undefined, undefined, undefined]);
  expect(kept(followed(), 0)).toBeUndefined();
});

test('gives nothing of a test any more whose events were told in another order', () => {
  const id = followed(1, 3);
  eventStored(id, event(2));
  eventStored(id, event(4));
  expect([0, 1, 2, 3].map((after) => kept(id, after))).toEqual([undefined, undefined, undefined, undefined]);
});

test('keeps events for as long as somebody follows, and of nobody else’s test', () => {
  const id = randomUUID();
  eventStored(id, event(1));
  const ends = [keepEvents(id), keepEvents(id)];
  eventStored(id, event(2));
  ends[0]?.();
  expect(kept(id, 1)).toEqual([2]);
  ends[1]?.();
  expect(kept(id, 1)).toBeUndefined();
});
