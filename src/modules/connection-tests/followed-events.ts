import type { StoredEvent, TestEvent } from './test.ts';

/** What is known of a test that somebody follows in this process. */
interface Followed {
  followers: number;
  /** One after the other, without a gap. */
  readonly events: StoredEvent[];
  /** Whether events were stored in another order than their own: then the database alone tells. */
  isTorn: boolean;
  /** As they were shown to one of the followers, by their sequence numbers. */
  readonly shown: Map<number, TestEvent>;
}

const followed = new Map<string, Followed>();

/** Keeps the events of a test that are stored from now on in memory, until the returned function is called. */
export function keepEvents(testId: string): () => void {
  const entry = followed.get(testId) ?? { followers: 0, events: [], isTorn: false, shown: new Map() };
  entry.followers += 1;
  followed.set(testId, entry);
  return () => {
    entry.followers -= 1;
    if (entry.followers === 0) followed.delete(testId);
  };
}

/** Tells of an event that was stored just now. Where another process may store some as well, none is told. */
export function eventStored(testId: string, event: StoredEvent): void {
  const entry = followed.get(testId);
  if (!entry) return;
  const last = entry.events.at(-1);
  entry.isTorn ||= last !== undefined && event.sequence !== last.sequence + 1;
  entry.events.push(event);
}

/** Gives the events after a sequence number when all of them are in memory; undefined: the database has to be asked. */
export function keptEvents(testId: string, after: number): readonly StoredEvent[] | undefined {
  const entry = followed.get(testId);
  const [first] = entry?.events ?? [];
  if (!entry || !first || entry.isTorn || first.sequence > after + 1) return undefined;
  const rest = entry.events.slice(after + 1 - first.sequence);
  return rest.length > 0 ? rest : undefined;
}

/** Gives all who follow a test the same object for an event, however each came by it: it is executed once for them. */
export function sharedEvent(testId: string, { sequence }: StoredEvent, show: () => TestEvent): TestEvent {
  const shown = followed.get(testId)?.shown;
  const event = shown?.get(sequence) ?? show();
  shown?.set(sequence, event);
  return event;
}
