import { ValidationError } from '../../errors/api.ts';
import { type FieldIssue, type Given, pathTo } from '../../errors/field-issues.ts';
import type { Access, Scope } from '../access/access.ts';
import { issueAt, scopeIssues } from '../access/grants.ts';
import { type AccessService, type MadeToken, requireNoSession, requireScope } from '../access/service.ts';
import type { EnvironmentService } from '../environments/service.ts';

/** What a lasting token is to be allowed, as a caller asks for it. */
export interface ApiTokenInput extends Given {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Either these or allEnvironments. */
  readonly environmentIds?: readonly string[] | null | undefined;
  readonly allEnvironments: boolean;
  /** ISO 8601 in UTC. Left out: as long as the caller's own token. */
  readonly expiresAt?: string | null | undefined;
}

/** Makes lasting tokens for callers, none of which may do more than its maker. */
export class ApiTokenService {
  readonly #tokens: AccessService;
  readonly #environments: EnvironmentService;

  constructor(tokens: AccessService, environments: EnvironmentService) {
    this.#tokens = tokens;
    this.#environments = environments;
  }

  /**
   * Makes a token, which allows no more than the caller's own, for no longer.
   * @throws RequestFault FORBIDDEN for a session token, ValidationError, NameTakenError, NotFoundError for environments
   *   that the caller may not see
   */
  async create(access: Access, input: ApiTokenInput): Promise<MadeToken> {
    requireScope(access, 'TOKENS_ADMIN');
    requireNoSession(access);
    const issues = [
      ...scopeIssues(access, input.scopes, pathTo(input, 'scopes')),
      ...environmentIssues(access, input),
      ...expiryIssues(access, input, this.#tokens.clock.now()),
    ];
    if (issues.length > 0) throw new ValidationError(issues);
    const { name, scopes, environmentIds, expiresAt } = input;
    const path = pathTo(input, 'environmentIds');
    const ids = environmentIds == null ? null : await this.#environments.requireAll(access, environmentIds, path);
    const wanted = {
      name,
      scopes: [...new Set(scopes)],
      environmentIds: ids,
      expiresAt: expiresAt ?? access.expiresAt,
    };
    return this.#tokens.createLasting(access, wanted, pathTo(input, 'name'));
  }
}

function environmentIssues(access: Access, input: ApiTokenInput): FieldIssue[] {
  if (input.allEnvironments === (input.environmentIds != null))
    return [issueAt(pathTo(input, 'environmentIds'), 'EXACTLY_ONE', 'Give environmentIds, or allEnvironments: true.')];
  if (input.allEnvironments && access.environmentIds !== 'all')
    return [issueAt(pathTo(input, 'allEnvironments'), 'NOT_GRANTED')];
  return [];
}

function expiryIssues(access: Access, input: ApiTokenInput, now: number): FieldIssue[] {
  const { expiresAt } = input;
  if (expiresAt == null) return [];
  const refuse = (message: string) => [issueAt(pathTo(input, 'expiresAt'), 'OUT_OF_RANGE', message)];
  if (Date.parse(expiresAt) <= now) return refuse('Give a time to come.');
  // ISO 8601 in UTC has the order of time
  if (access.expiresAt !== null && expiresAt > access.expiresAt)
    return refuse(`Your own token ends before that, at ${access.expiresAt}.`);
  return [];
}
