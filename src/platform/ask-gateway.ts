/** A gateway that is asked, and the token for it. */
export interface Gateway {
  readonly url: URL;
  readonly token: string;
}

/** The errors of an answer of GraphQL. */
export interface AnswerError {
  readonly message: string;
  readonly extensions?: { readonly code?: string };
}

export interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly AnswerError[];
}

/** Sends an operation. @throws Error when nobody answers */
export function postOperation(
  { url, token }: Gateway,
  operation: { readonly query: string; readonly variables: object },
  accept: 'application/json' | 'text/event-stream',
  signal: AbortSignal,
): Promise<Response> {
  return fetch(new URL('/graphql', url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept },
    body: JSON.stringify(operation),
    redirect: 'error',
    signal,
  }).catch((error: unknown) => {
    throw unreachable(url, error);
  });
}

/** What is told of a gateway that fetch() has not reached. */
export function unreachable({ origin }: URL, error: unknown): Error {
  // fetch itself says no more than that it failed
  const cause = error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (/SELF_SIGNED|LEAF_SIGNATURE|ISSUER_CERT/.test(code))
    return new Error(`${origin} is not trusted: ${TRUST}`, { cause });
  // OpenSSL's own words are about its sources
  if (code.startsWith('ERR_SSL_')) return new Error(`${origin} answers, but without TLS that fits: is it http://?`);
  return new Error(`${origin} does not answer.`, { cause });
}

const TRUST = 'NODE_EXTRA_CA_CERTS may name a file with the CA that signed its certificate.';

/** Reads an answer. @throws Error when no gateway has given it */
export async function readAnswer(response: Response, { origin }: URL): Promise<Answer> {
  const answer: unknown = await response.json().catch((error: unknown) => {
    // what a reader of JSON says of a web page tells nobody anything
    const broken = error instanceof SyntaxError ? undefined : { cause: error };
    throw new Error(`${origin} answers ${response.status}, and not as a gateway does.`, broken);
  });
  if (typeof answer === 'object' && answer !== null && ('data' in answer || 'errors' in answer))
    return answer as Answer;
  throw new Error(`${origin} answers ${response.status}, and not as a gateway does.`);
}
