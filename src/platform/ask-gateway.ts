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
    throw new Error(`${url.origin} does not answer.`, { cause: error });
  });
}

/** Reads an answer. @throws Error when no gateway has given it */
export async function readAnswer(response: Response, { origin }: URL): Promise<Answer> {
  const answer: unknown = await response.json().catch((error: unknown) => {
    throw new Error(`${origin} answers ${response.status}, and not as a gateway does.`, { cause: error });
  });
  if (typeof answer === 'object' && answer !== null && ('data' in answer || 'errors' in answer))
    return answer as Answer;
  throw new Error(`${origin} answers ${response.status}, and not as a gateway does.`);
}
