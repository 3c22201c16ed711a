import { ValidationError } from '../../errors/api.ts';
import { type FieldIssue, type Given, pathTo } from '../../errors/field-issues.ts';
import type { Access, Scope } from '../access/access.ts';
import { issueAt, scopeIssues } from '../access/grants.ts';
import { type AccessService, type MadeToken, requireNoSession } from '../access/service.ts';
import type { EnvironmentService } from '../environments/service.ts';

/** How long a session token lasts, in minutes. */
export const sessionMinutes = { default: 60, max: 720 } as const;

const MINUTE_MS = 60_000;

/** What a session token is to be allowed, as a caller asks for it. */
export interface SessionTokenInput extends Given {
  readonly scopes: readonly Scope[];
  /** Left out: the caller's only environment. */
  readonly environmentIds?: readonly string[] | null | undefined;
  /** Left out: 60, or what is left of the caller's own token. */
  readonly expiresInMinutes?: number | null | undefined;
  readonly onBehalfOf?: string | null | undefined;
}

/** Makes the short-lived tokens that stand in the pages of browsers, where no lasting one should. */
export class SessionTokenService {
  readonly #tokens: AccessService;
  readonly #environments: EnvironmentService;

  constructor(tokens: AccessService, environments: EnvironmentService) {
    this.#tokens = tokens;
    this.#environments = environments;
  }

  /**
   * Makes a session token, which allows no more than the caller's own, for no longer, and ends with it.
   * @throws RequestFault FORBIDDEN, ValidationError, NotFoundError for environments that the caller may not see
   */
  async create(access: Access, input: SessionTokenInput): Promise<MadeToken> {
    requireNoSession(access);
    const now = this.#tokens.clock.now();
    const issues = [...scopeIssues(access, input.scopes, pathTo(input, 'scopes')), ...expiryIssues(access, input, now)];
    if (issues.length > 0) throw new ValidationError(issues);
    return this.#tokens.createSession(access, {
      scopes: [...new Set(input.scopes)],
      environmentIds: await this.#environmentIds(access, input),
      expiresAt: expiryOf(access, input, now),
      onBehalfOf: input.onBehalfOf ?? null,
    });
  }

  async #environmentIds(access: Access, input: SessionTokenInput): Promise<readonly string[]> {
    const path = pathTo(input, 'environmentIds');
    if (input.environmentIds == null) return [(await this.#environments.only(access, path)).id];
    return this.#environments.requireAll(access, input.environmentIds, path);
  }
}

function expiryIssues(access: Access, input: SessionTokenInput, now: number): FieldIssue[] {
  const left = msLeft(access, now);
  if (input.expiresInMinutes == null || input.expiresInMinutes * MINUTE_MS <= left) return [];
  const message = `Your own token ends before that: at most ${Math.floor(left / MINUTE_MS)} minutes.`;
  return [issueAt(pathTo(input, 'expiresInMinutes'), 'OUT_OF_RANGE', message)];
}

function expiryOf(access: Access, { expiresInMinutes }: SessionTokenInput, now: number): string {
  const wanted = (expiresInMinutes ?? sessionMinutes.default) * MINUTE_MS;
  return new Date(now + Math.min(wanted, msLeft(access, now))).toISOString();
}

/** How long the caller's own token lasts, in milliseconds. */
function msLeft({ expiresAt }: Access, now: number): number {
  return expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt) - now;
}
