import { planCatalog, planChecks, type RefusedPlan } from '../../connectors/kit/checks/run-checks.ts';
import type { FullConfig } from '../../connectors/kit/config/shape.ts';
import type { Tenancy } from '../../connectors/kit/config/tenancy.ts';
import { type Connector, checkName } from '../../connectors/kit/contract/connector.ts';
import { ValidationError } from '../../errors/api.ts';
import { type FieldIssue, type Given, pathTo } from '../../errors/field-issues.ts';
import type { TestPurpose } from './test.ts';

/** How long a test may take, from QUEUED on, in milliseconds. */
export const testTimeoutMs = { min: 1_000, default: 30_000, max: 300_000 } as const;

/** What a caller may say about a test. */
export interface TestOptions extends Given {
  /** Names of checks. When it is left out, the connector's default ones run. */
  readonly validationMethods?: readonly string[] | null | undefined;
  /** A UUID of the caller's choice. */
  readonly testId?: string | null | undefined;
  readonly timeoutMs?: number | null | undefined;
}

/** What is to be tested. */
export interface TestSubject {
  readonly connector: Connector;
  readonly config: FullConfig;
  readonly tenancy: Tenancy | null;
  readonly environmentId: string;
  /** Null for a draft. */
  readonly datastoreId: string | null;
  /** The version of the datastore that it just is; null for a draft and for a change. */
  readonly storedVersion: number | null;
  /** Tells the datastore from others that have had its id; null for a draft. */
  readonly firstVersion: number | null;
}

/**
 * Plans which checks a test runs, by name and in order: those that its caller asks for, with those that they build on.
 * @throws ValidationError naming the valid methods when one is unknown
 */
export function planTest(subject: TestSubject, purpose: TestPurpose, options: TestOptions): readonly string[] {
  const { connector, config, tenancy } = subject;
  if (purpose === 'CATALOG') return planCatalog(connector, config);
  const plan = planChecks(connector, config, options.validationMethods ?? null, tenancy);
  if ('checks' in plan) return plan.checks;
  throw new ValidationError(planIssues(connector, plan, pathTo(options, 'validationMethods')));
}

/** True when one of the checks writes something to the datastore. */
export function writes(connector: Connector, checks: readonly string[]): boolean {
  return connector.checks.some((check) => check.writes && checks.includes(checkName(connector, check)));
}

function planIssues(connector: Connector, plan: RefusedPlan, path: readonly string[]): FieldIssue[] {
  const refuse = (code: FieldIssue['code'], message: string): FieldIssue => ({ path, configPath: null, code, message });
  if (plan.empty)
    return [refuse('TOO_SHORT', 'Name at least one validation method, or leave the list out for the default ones.')];
  const valid = connector.checks.map((check) => checkName(connector, check)).join(', ');
  return [
    ...(plan.unknown.length > 0
      ? [refuse('UNKNOWN_VALIDATION_METHOD', `The validation methods of this type are: ${valid}.`)]
      : []),
    ...plan.notApplicable.map((name) => refuse('INVALID_COMBINATION', `${name} has nothing to do with this config.`)),
  ];
}
