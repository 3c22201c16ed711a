import { bastionOf } from '../../connectors/kit/checks/endpoint.ts';
import { MAX_HOST } from '../../connectors/kit/config/host.ts';
import { leavesOf, valueAt } from '../../connectors/kit/config/shape.ts';
import type { Target } from '../../connectors/kit/contract/connector.ts';
import { ConnectionTestFailedError, ValidationError } from '../../errors/api.ts';
import { type FieldIssue, type IssueCode, issueCodes } from '../../errors/field-issues.ts';
import type { Executor, JudgedTarget, TargetVerdict } from '../../executor/executor.ts';
import type { Access } from '../access/access.ts';
import type { TestOptions } from '../connection-tests/plan.ts';
import type { ConnectionTestService } from '../connection-tests/service.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import { configIssue, type DraftSubject } from './draft.ts';

/** How long the host names of a config may take to resolve, when it is saved without a test. */
const JUDGE_TIMEOUT_MS = 5_000;
const LONG_HOST = `With this the host has more than ${MAX_HOST} characters, and DNS has no longer names.`;
/** Why a target is refused. A name without an address leads nowhere yet, and is judged again whenever it is dialled. */
const REFUSALS: Readonly<Record<TargetVerdict['verdict'], IssueCode | null>> = {
  allowed: null,
  unresolved: null,
  'not-allowed': 'ADDRESS_NOT_ALLOWED',
  unjudged: 'ADDRESS_NOT_CHECKED',
};

/** For who only wants to know what a save would change: it runs no test, and resolves no name. */
export const withoutProof: Pick<SaveProof, 'prove'> = {
  async prove(_access, subject) {
    requireNeededToSave(subject);
    return null;
  },
};

/** Says whether a draft may be stored. */
export class SaveProof {
  readonly #connectionTests: Pick<ConnectionTestService, 'run'>;
  readonly #executor: Pick<Executor, 'judgeTargets'>;

  constructor(connectionTests: Pick<ConnectionTestService, 'run'>, executor: Pick<Executor, 'judgeTargets'>) {
    this.#connectionTests = connectionTests;
    this.#executor = executor;
  }

  /**
   * Runs the test that is asked for, which has to pass. Without one, every address of the config has to be allowed.
   * @returns the passed test's id
   * @throws ValidationError, ConflictError when the test's id was used before, ConnectionTestFailedError
   */
  async prove(access: Access, subject: DraftSubject, test: TestOptions | null | undefined): Promise<string | null> {
    const passed = test ? await this.#run(access, subject, test) : null;
    requireNeededToSave(subject);
    if (!passed) await this.#judgeTargets(subject);
    return passed;
  }

  async #run(access: Access, subject: DraftSubject, options: TestOptions): Promise<string> {
    const test = await this.#connectionTests.run(access, subject, options);
    if (test.status === 'PASSED') return test.id;
    throw new ConnectionTestFailedError(test.id, failureIssues(test, subject));
  }

  /**
   * Looks at every address of a config.
   * @throws ValidationError naming the fields that point where none may go, or of which nothing was found out in time
   */
  async #judgeTargets({ connector, config, configPath }: DraftSubject): Promise<void> {
    const targets = connector.targets(config).flatMap(judgedTargets);
    const endless = targets.filter(({ host }) => host.length > MAX_HOST);
    if (endless.length > 0)
      throw new ValidationError(endless.map(({ path }) => configIssue(configPath, path, 'TOO_LONG', LONG_HOST)));
    const verdicts = await this.#executor.judgeTargets(targets, JUDGE_TIMEOUT_MS);
    const issues = verdicts.flatMap(({ path, verdict }) => {
      const code = REFUSALS[verdict];
      return code ? [configIssue(configPath, path, code, issueCodes[code])] : [];
    });
    if (issues.length > 0) throw new ValidationError(issues);
  }
}

/**
 * Refuses a draft without a field that a test may lack, but a save may not: a tunnel's fingerprint.
 * @throws ValidationError
 */
function requireNeededToSave({ connector, config, configPath }: DraftSubject): void {
  const missing = leavesOf(connector.config).filter(({ mark, path }) => {
    const cut = path.lastIndexOf('.');
    const isThere = cut < 0 || valueAt(config, path.slice(0, cut)) !== undefined;
    return mark.neededToSave && isThere && valueAt(config, path) === undefined;
  });
  const message = 'Needed to save: a test without it shows the one to confirm.';
  if (missing.length > 0)
    throw new ValidationError(missing.map(({ path }) => configIssue(configPath, path, 'REQUIRED', message)));
}

/**
 * Returns the addresses of a target that are judged: the bastion's, where there is one, and the one that it leads to.
 */
function judgedTargets(target: Target): JudgedTarget[] {
  const { host, port, service, hostPath: path = '' } = target;
  const bastion = bastionOf(target);
  const last = { host, port, path, ...(service === undefined ? {} : { service }) };
  if (!bastion) return [last];
  const first = { host: bastion.host, port: bastion.port, path: bastion.hostPath };
  return [first, { ...last, tunnelled: true }];
}

/** Names the field to mend, so that a form can show the failure of a test where it belongs. */
function failureIssues({ failure }: ConnectionTest, { configPath, tenancyPath }: DraftSubject): FieldIssue[] {
  if (!failure?.configPath) return [];
  const message = failure.hint ? `${failure.message} ${failure.hint}` : failure.message;
  const [block, ...within] = failure.configPath.split('.');
  if (block === 'tenancy')
    return [{ path: [...tenancyPath, ...within], configPath: null, code: 'CHECK_FAILED', message }];
  return [configIssue(configPath, failure.configPath, 'CHECK_FAILED', message)];
}
