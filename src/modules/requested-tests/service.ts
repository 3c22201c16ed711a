import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { TestOptions, TestSubject } from '../connection-tests/plan.ts';
import type { ConnectionTestService } from '../connection-tests/service.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import type { Draft, DraftChange } from '../datastores/draft.ts';
import type { DraftReader } from '../datastores/draft-reader.ts';
import type { EnvironmentChoice } from '../environments/service.ts';

/** What somebody wants tested: what is stored, a draft, or a change over what is stored. */
export type TestTarget =
  | { readonly datastoreId: string }
  | { readonly draft: Draft & EnvironmentChoice }
  | { readonly change: DraftChange & { readonly datastoreId: string } };

/** Starts the connection tests that somebody asks for. */
export class RequestedTestService {
  readonly #drafts: DraftReader;
  readonly #connectionTests: ConnectionTestService;

  constructor(drafts: DraftReader, connectionTests: ConnectionTestService) {
    this.#drafts = drafts;
    this.#connectionTests = connectionTests;
  }

  /**
   * Starts a test and returns at once.
   * @throws ValidationError, NotFoundError, ConflictError, SecretsRequiredError
   */
  async start(access: Access, target: TestTarget, options: TestOptions): Promise<ConnectionTest> {
    requireScope(access, 'DATASTORES_TEST');
    return this.#connectionTests.start(access, await this.#subjectOf(access, target), 'REQUESTED', options);
  }

  async #subjectOf(access: Access, target: TestTarget): Promise<TestSubject> {
    if ('draft' in target) return this.#drafts.draft(access, target.draft);
    if ('change' in target) return this.#drafts.change(access, target.change.datastoreId, target.change);
    return (await this.#drafts.stored(access, target.datastoreId)).subject;
  }
}
