import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

/** Ids of a caller that are taken as they are: letters, digits and signs that stand in a line of a log as one word. */
const SANE = /^[\w.:/+=-]{1,128}$/;

const current = new AsyncLocalStorage<string>();

/** The id of the request that the running code works for; undefined where it works for none. */
export function currentRequestId(): string | undefined {
  return current.getStore();
}

/** The id that a caller has given a request, if it is sane, or a new one. */
export function requestIdOf(given: string | readonly string[] | undefined): string {
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID();
}

/** Does some work for a request, whose id each line of the log that comes of it carries. */
export function withRequestId<T>(id: string, work: () => T): T {
  return current.run(id, work);
}
