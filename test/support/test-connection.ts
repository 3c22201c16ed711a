import {
  type CheckEnded,
  planCatalog,
  planChecks,
  runChecks,
  type TestOutcome,
} from '../../src/connectors/kit/checks/run-checks.ts';
import { splitSecrets } from '../../src/connectors/kit/config/shape.ts';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import type { CatalogEntry } from '../../src/connectors/kit/contract/catalog-entry.ts';
import type { Connector, OwnStorage } from '../../src/connectors/kit/contract/connector.ts';
import type { FailureReport } from '../../src/connectors/kit/contract/failure.ts';
import { type DialerOptions, PolicedDialer } from '../../src/connectors/kit/network/dialer.ts';
import { afterOwnTime } from './own-time.ts';

export interface TestConnectionOptions
  extends Partial<Pick<DialerOptions, 'names' | 'publicCa' | 'lookup' | 'lookupService'>> {
  /** Within the type: `bucket/head`. Left out: the default ones. */
  readonly methods?: readonly string[];
  /** Reads the catalog after the base checks, instead of any other check. */
  readonly catalog?: boolean;
  readonly tenancy?: Tenancy;
  /** What the operator allows besides public addresses. Left out: 127.0.0.1. */
  readonly allow?: readonly string[];
  /** The operator's EGRESS_PROXY. Left out: none. */
  readonly proxy?: string;
  /** In milliseconds of the test's own time. Left out: 15 seconds. */
  readonly deadline?: number;
  /** For a type that runs in the gateway. */
  readonly storage?: OwnStorage;
  /** Cancels the test when it aborts. */
  readonly cancel?: AbortSignal;
  /** Ends the test as its deadline does when it aborts. */
  readonly expire?: AbortSignal;
  /** Hears of each check that passes, by its name within the type, before the next one begins. */
  readonly onPassed?: (check: string) => void;
  /** How long what it has begun at the peer may take to be ended, in milliseconds. Left out: as for every test. */
  readonly cleanUpMs?: number;
}

export interface TestedConnection extends TestOutcome {
  /** What each check that ran found out, by its name within the type. */
  readonly evidence: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** `bucket/head: PASSED`, in order. */
  readonly steps: readonly string[];
  /** Where it stopped. */
  readonly failedAt: string | undefined;
  /** What a catalog read handed on, a batch each. */
  readonly batches: readonly (readonly CatalogEntry[])[];
  /** What the operator's log would hold. */
  readonly log: readonly string[];
}

/** Tests a connection as the executor does: a real dialer, every check in its order, and a deadline. */
export async function testConnection(
  connector: Connector,
  input: Record<string, unknown>,
  options: TestConnectionOptions = {},
): Promise<TestedConnection> {
  const config = connector.config.parse(input);
  const id = connector.type.toLowerCase();
  const { tenancy = null } = options;
  const methods = options.methods?.map((method) => `${id}/${method}`) ?? null;
  const plan = options.catalog
    ? { checks: planCatalog(connector, config) }
    : planChecks(connector, config, methods, tenancy);
  if (!('checks' in plan)) throw new Error(`Cannot be run: ${JSON.stringify(plan)}`);
  const abort = new AbortController();
  const clearDeadline = afterOwnTime(options.deadline ?? 15_000, () => abort.abort('deadline'));
  const cancel = () => abort.abort('cancelled');
  options.cancel?.addEventListener('abort', cancel, { once: true });
  options.expire?.addEventListener('abort', () => abort.abort('deadline'), { once: true });
  const { allow = ['127.0.0.1'], proxy } = options;
  const policy = { allow, forbidden: [], ...(proxy === undefined ? {} : { proxy }) };
  const dialer = new PolicedDialer({ ...options, policy, signal: abort.signal });
  const name = (check: string) => check.slice(id.length + 1);
  const ended: CheckEnded[] = [];
  const log: string[] = [];
  const batches: (readonly CatalogEntry[])[] = [];
  try {
    const outcome = await runChecks({
      connector,
      config,
      checks: plan.checks,
      dialer,
      signal: abort.signal,
      tenancy,
      onCatalog: async (entries) => void batches.push(entries),
      secrets: [...splitSecrets(connector, config).secrets.values()],
      onEvent: (event) => {
        if (event.kind !== 'ended') return;
        ended.push(event);
        if (event.status !== 'FAILED') options.onPassed?.(name(event.name));
      },
      ...(options.storage ? { storage: options.storage } : {}),
      ...(options.cleanUpMs === undefined ? {} : { cleanUpMs: options.cleanUpMs }),
      log: (level, text) => log.push(`${level}: ${text}`),
    });
    return {
      ...outcome,
      evidence: Object.fromEntries(
        ended.map((each) => [
          name(each.name),
          Object.fromEntries(each.evidence.map((item) => [item.name, item.value])),
        ]),
      ),
      steps: ended.map((each) => `${name(each.name)}: ${each.status}`),
      failedAt: ended.filter((each) => each.status === 'FAILED').map((each) => name(each.name))[0],
      batches,
      log,
    };
  } finally {
    clearDeadline();
    dialer.close();
  }
}

/** The part of a failure that tests look at. */
export function gist({
  failedAt,
  failure,
}: TestedConnection): { at: string | undefined } & Partial<Pick<FailureReport, 'code' | 'configPath'>> {
  return { at: failedAt, code: failure?.code, configPath: failure?.configPath };
}
