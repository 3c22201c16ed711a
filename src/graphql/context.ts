import type { RequestFault } from '../errors/api.ts';

/**
 * The services that resolvers call. Each module's schema.ts adds its own, so that graphql/ need not know the modules.
 */
export interface Services {}

/** One request's batched readers, to which the modules add in the same way. */
export interface Loaders {}

/** What a token may be allowed to do. modules/access/schema.ts adds the scopes that there are, as keys. */
export interface Scopes {}

/** What every resolver gets. modules/access/schema.ts adds `access`, which says who asks. */
export interface Context {
  readonly services: Services;
  readonly loaders: Loaders;
  /** Refuses a caller whose token lacks the scope, with a RequestFault FORBIDDEN. */
  readonly requireScope: (scope: keyof Scopes) => void;
  /** Takes down that an operation or a guarded field, such as `Query.viewer`, was refused to the caller. */
  readonly refused: (coordinate: string, fault: RequestFault) => void;
}
