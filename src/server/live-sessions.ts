import type { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { LimitFault, type LimitSettings, type LimitVariable, limitOf } from '../errors/limits.ts';
import { requestError } from './request-error.ts';

/** What stays open: a WebSocket, one subscription over SSE or WebSocket, or one import or export. */
export interface Session {
  readonly kind: 'connection' | 'subscription' | 'transfer';
  readonly token: string;
  /** Ends it and tells the client why. */
  end(reason: GraphQLError): void;
}

export interface LiveSessionsOptions {
  readonly authenticate: (token: string) => Promise<unknown>;
  readonly logger: Logger;
  /** How often each open token is looked at again, in milliseconds. */
  readonly recheckMs: number;
  readonly limits: LimitSettings;
}

/** When to come back once a token has too many sessions open: one of them must end first. In seconds. */
const RETRY_SECONDS = 30;
const variables = {
  connection: 'MAX_CONNECTIONS_PER_TOKEN',
  subscription: 'MAX_SUBSCRIPTIONS_PER_TOKEN',
  transfer: 'MAX_TRANSFERS_PER_TOKEN',
} as const satisfies Record<Session['kind'], LimitVariable>;

/** @throws LimitFault when so many of a token's are open that there may not be one more */
export function requireRoom(limits: LimitSettings, kind: Session['kind'], open: number): void {
  const limit = limitOf(limits, variables[kind]);
  if (limit !== undefined && open >= limit) throw new LimitFault(variables[kind], limit, RETRY_SECONDS);
}

/**
 * Every open connection, subscription and transfer, by token. It holds each token to its limits, and ends what a token
 * has open soon after that was revoked or expired.
 */
export class LiveSessions {
  readonly #options: LiveSessionsOptions;
  readonly #sessions = new Map<string, Record<Session['kind'], Set<Session>>>();
  readonly #timer: NodeJS.Timeout;
  #checking = false;
  #closed: GraphQLError | undefined;

  constructor(options: LiveSessionsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#recheck(), options.recheckMs).unref();
  }

  /** Counts a session in; the function given back takes it out. @throws LimitFault when the token has too many */
  open(session: Session): () => void {
    if (this.#closed) {
      session.end(this.#closed);
      return () => undefined;
    }
    const { token, kind } = session;
    const ofToken = this.#sessions.get(token) ?? {
      connection: new Set(),
      subscription: new Set(),
      transfer: new Set(),
    };
    requireRoom(this.#options.limits, kind, ofToken[kind].size);
    ofToken[kind].add(session);
    this.#sessions.set(token, ofToken);
    return () => {
      ofToken[kind].delete(session);
      const isEmpty = Object.values(ofToken).every(({ size }) => size === 0);
      if (isEmpty && this.#sessions.get(token) === ofToken) this.#sessions.delete(token);
    };
  }

  /** How many are open, of all tokens. */
  count(): { readonly connections: number; readonly subscriptions: number } {
    let [connections, subscriptions] = [0, 0];
    for (const ofToken of this.#sessions.values()) {
      connections += ofToken.connection.size;
      subscriptions += ofToken.subscription.size;
    }
    return { connections, subscriptions };
  }

  /** Ends all of them, and those that come after at once; looks at no token again. */
  close(reason: GraphQLError): void {
    this.#closed = reason;
    clearInterval(this.#timer);
    for (const token of [...this.#sessions.keys()]) this.#end(token, reason);
  }

  async #recheck(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      for (const token of [...this.#sessions.keys()]) {
        const access = await this.#options.authenticate(token);
        if (!access)
          this.#end(token, requestError('UNAUTHENTICATED', { message: 'The token was revoked or has expired.' }));
      }
    } catch (error) {
      // the database is away: what is open stays open until tokens can be looked at again
      this.#options.logger.warn({ err: error }, 'open tokens could not be checked');
    } finally {
      this.#checking = false;
    }
  }

  #end(token: string, reason: GraphQLError): void {
    const ofToken = this.#sessions.get(token);
    for (const session of Object.values(ofToken ?? {}).flatMap((some) => [...some])) session.end(reason);
  }
}
