import { gunzipSync } from 'node:zlib';
import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import { ValidationError } from '../../errors/api.ts';
import { BadMessageError, readCatalogPart, readFailure, readProgress } from '../../executor/messages.ts';
import type { ToldFact } from '../connection-tests/told-facts.ts';

/** The kinds of events that a worker tells. */
export const toldKinds = ['BEGUN', 'CHECK_STARTED', 'CHECK_ENDED', 'RESTARTED', 'ENDED', 'HANDED_BACK'] as const;
export type ToldKind = (typeof toldKinds)[number];

export const toldStatuses = ['PASSED', 'WARNING', 'FAILED', 'CANCELLED'] as const;
export type ToldStatus = (typeof toldStatuses)[number];

/** An event of a test, as a worker tells it. */
export interface ToldEvent {
  readonly testId: string;
  readonly attempt: number;
  readonly sequence: number;
  readonly at: string;
  readonly kind: ToldKind;
  readonly check?: string | null | undefined;
  readonly status?: ToldStatus | null | undefined;
  readonly durationMs?: number | null | undefined;
  readonly evidence?: readonly { readonly name: string; readonly value: string }[] | null | undefined;
  readonly failure?: ToldFailure | null | undefined;
}

/** Cause and message of a failure are the gateway's own, by its code. */
export interface ToldFailure {
  readonly code: string;
  readonly hint?: string | null | undefined;
  readonly configPath?: string | null | undefined;
}

/** How large a part of a catalog may be before it is packed, in bytes of JSON. */
export const MOST_PART_BYTES = 4 * 1024 * 1024;

/** Reads what a worker tells. @throws ValidationError, at the given path, for what no worker tells */
export function factOf(told: ToldEvent, path: readonly string[]): ToldFact {
  const { testId, attempt, sequence, at } = told;
  return { testId, attempt, sequence, at, fact: refusing(path, () => readFact(told)) };
}

function readFact({ kind, check: name, status, durationMs, evidence, failure }: ToldEvent): ToldFact['fact'] {
  const why = failure ? { hint: null, configPath: null, ...failure, cause: '', message: '' } : null;
  switch (kind) {
    case 'BEGUN':
      return { kind: 'begun' };
    case 'RESTARTED':
      return { kind: 'restarted' };
    case 'HANDED_BACK':
      return { kind: 'handedBack' };
    case 'CHECK_STARTED':
      return readProgress({ kind: 'started', name });
    case 'CHECK_ENDED':
      return readProgress({ kind: 'ended', name, status, durationMs, evidence: evidence ?? [], failure: why });
    case 'ENDED':
      if (status == null || status === 'WARNING') throw new BadMessageError('No test ends so.');
      return { kind: 'over', status, failure: readFailure(why) };
  }
}

/** Reads a part of a catalog: JSON, packed by gzip, in base64. @throws ValidationError for what no worker sends */
export function entriesOf(packed: string, path: readonly string[]): readonly CatalogEntry[] {
  return refusing(path, () => readCatalogPart(unpacked(packed)));
}

function unpacked(packed: string): unknown {
  try {
    return JSON.parse(gunzipSync(Buffer.from(packed, 'base64'), { maxOutputLength: MOST_PART_BYTES }).toString());
  } catch (error) {
    throw new BadMessageError('It is no JSON that is packed by gzip, or too much of it.', { cause: error });
  }
}

function refusing<T>(path: readonly string[], read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BadMessageError)) throw error;
    const message = 'No worker of this version tells this.';
    throw new ValidationError([{ path, configPath: null, code: 'INVALID_VALUE', message }]);
  }
}
