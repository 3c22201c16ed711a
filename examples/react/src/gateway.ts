import { type Client, createClient } from 'graphql-ws';
import { createContext, use } from 'react';

/** What went wrong with a request as a whole, not with one of its fields. */
export class GatewayError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Asks the gateway, with the token that the page's backend has made for its user. */
export class Gateway {
  readonly #token: string;
  /** For subscriptions; it connects when the first one begins. */
  readonly live: Client;

  constructor(token: string) {
    this.#token = token;
    this.live = createClient({
      url: `${location.origin.replace('http', 'ws')}/graphql`,
      connectionParams: { authorization: `Bearer ${token}` },
      // also while no gateway listens, as it restarts
      shouldRetry: () => true,
    });
  }

  async ask<Data>(query: string, variables: object = {}): Promise<Data> {
    const answer = await fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.#token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await answer.json()) as {
      data?: Data;
      errors?: { message: string; extensions?: { code?: string } }[];
    };
    const [error] = errors ?? [];
    if (error) throw new GatewayError(error.extensions?.code ?? 'UNKNOWN', error.message);
    if (!data) throw new GatewayError('UNKNOWN', `The gateway answered ${answer.status}.`);
    return data;
  }
}

export const GatewayContext = createContext<Gateway | null>(null);

export function useGateway(): Gateway {
  const gateway = use(GatewayContext);
  if (!gateway) throw new Error('There is no gateway above this component.');
  return gateway;
}
