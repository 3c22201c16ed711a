import type { Actor } from '../../platform/journal/journal.ts';

/** What a token may be allowed to do, in the API's words. */
export const scopes = [
  'DATASTORES_READ',
  'DATASTORES_WRITE',
  'DATASTORES_TEST',
  'USAGES_WRITE',
  'RECORDS_READ',
  'RECORDS_WRITE',
  'ENVIRONMENTS_WRITE',
  'TOKENS_ADMIN',
  'AUDIT_READ',
  'PROCESSES_READ',
  'TESTS_RUN',
] as const;
export type Scope = (typeof scopes)[number];

/** A person, by a token of an OpenID provider. */
export interface Person {
  /** When the provider made the token, as ISO 8601. */
  readonly since: string;
}

/** Says who asks, and what they may see and do. Every method of a store or a service takes it as its first argument. */
export interface Access {
  readonly tokenId: string;
  /** Under which name it acts, which for a session token is that of its parent, and for whom. */
  readonly actor: Actor;
  /** True for a short-lived token that another one has made, which makes none itself. */
  readonly isSession: boolean;
  /** Set for a person that an OpenID provider knows: there is no stored token. */
  readonly person?: Person;
  readonly scopes: ReadonlySet<Scope>;
  /** `all` covers environments that are made later as well. */
  readonly environmentIds: 'all' | ReadonlySet<string>;
  /** As ISO 8601; null when the token never expires. */
  readonly expiresAt: string | null;
}

/** Writes down whose rights these are and what they allow: callers of the same text see the same. */
export function rightsOf({ tokenId, actor, scopes: allowed, environmentIds }: Access): string {
  const environments = environmentIds === 'all' ? environmentIds : [...environmentIds].toSorted();
  return JSON.stringify([tokenId, actor.name, actor.onBehalfOf, [...allowed].toSorted(), environments]);
}
