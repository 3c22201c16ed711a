import { z } from 'zod';
import { Failure, type FailureDetails, type FailureEvidence } from '../contract/failure.ts';
import type { HttpResponse } from './client.ts';

const STRANGER_HINT =
  'Check the address, and that the type is the right one: a proxy, a firewall or another server answers there, not this API.';
const REDIRECT_HINT = 'The server sends on to another address, which the gateway does not follow: give that one.';

/**
 * The failure behind an answer that is not in the form of the API which is asked. A proxy, a firewall or another server
 * has written it, so it says nothing of credentials and names; that something is overloaded or away is believed of
 * anyone. The status, and a redirect's host, become evidence.
 */
export function strangerFailure(response: HttpResponse, details: FailureDetails = {}): Failure {
  const { status, configPath } = response;
  const evidence = { httpStatus: status };
  if (status === 429) return new Failure('TOO_MANY_REQUESTS', { configPath, ...details, evidence });
  if (status >= 500) return new Failure('SERVER_UNAVAILABLE', { configPath, ...details, evidence });
  if (status >= 300 && status < 400) {
    const more = { ...evidence, redirectHost: redirectHost(response) };
    return new Failure('PROTOCOL_MISMATCH', { configPath, hint: REDIRECT_HINT, ...details, evidence: more });
  }
  return new Failure('PROTOCOL_MISMATCH', { configPath, hint: STRANGER_HINT, ...details, evidence });
}

/** The evidence of a refusal: the API's own name or number of it; the status of the answer where there is none. */
export function refusalEvidence({ status }: HttpResponse, code?: string | number): FailureEvidence {
  const serverError = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}$/.exec(String(code ?? ''))?.[0];
  return serverError === undefined ? { httpStatus: status } : { serverError };
}

/**
 * The failure behind a refusal in the API's own form, when the API's name or number of it, `code`, tells the check
 * nothing. It becomes evidence.
 */
export function ownFailure(response: HttpResponse, code?: string | number): Failure {
  const { status } = response;
  const evidence = refusalEvidence(response, code);
  if (status === 429) return new Failure('TOO_MANY_REQUESTS', { evidence });
  return new Failure(status >= 500 && status !== NOT_IMPLEMENTED ? 'SERVER_UNAVAILABLE' : 'SERVER_ERROR', { evidence });
}

/** The status of a server that does not know what it was asked for: trying again later would not help. */
const NOT_IMPLEMENTED = 501;

/** The host that a redirect leads to; undefined when it leads to another path of the same host. */
function redirectHost({ headers }: HttpResponse): string | undefined {
  const { location = '' } = headers;
  if (!URL.canParse(location)) return undefined;
  return /^[a-z0-9.-]{1,253}(:\d{1,5})?$/.exec(new URL(location).host)?.[0];
}

/**
 * The parts of a JSON answer that a check asks for. Fails with PROTOCOL_MISMATCH when the answer is no JSON, or of
 * another shape.
 */
export function jsonAnswer<Schema extends z.ZodType>(response: HttpResponse, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(response.json());
  if (!parsed.success) throw strangerFailure(response);
  return parsed.data;
}

/**
 * The parts of an answer that may be JSON of this shape, as a refusal is; undefined when it is not. Fails with
 * PROTOCOL_MISMATCH when it calls itself JSON and is none.
 */
export function jsonIfAny<Schema extends z.ZodType>(
  response: HttpResponse,
  schema: Schema,
): z.output<Schema> | undefined {
  if (!response.headers['content-type']?.startsWith('application/json')) return undefined;
  return schema.safeParse(response.json()).data;
}

/**
 * The schema of a long array in an answer. It gives up at the first element of another form. A plain z.array() notes
 * every such element: some megabytes of a hostile answer then take gigabytes and half a minute.
 */
export function listOf<Element extends z.ZodType>(element: Element) {
  return z.array(z.unknown()).transform((values, context): z.output<Element>[] => {
    const parsed: z.output<Element>[] = [];
    for (const value of values) {
      const { success, data } = element.safeParse(value);
      if (!success) {
        context.addIssue({ code: 'custom', message: 'An element is of another form.' });
        return z.NEVER;
      }
      parsed.push(data);
    }
    return parsed;
  });
}

/** The codes of a refusal that OAuth 2.0 has (RFC 6749, 5.2), and one that some servers add. */
const OAUTH_REFUSAL = z.object({
  error: z.enum([
    'invalid_request',
    'invalid_client',
    'invalid_grant',
    'unauthorized_client',
    'unsupported_grant_type',
    'invalid_scope',
    'access_denied',
  ]),
});

/** OAuth's code of a refusal to give a token. Undefined when the answer is no such refusal. */
export function tokenRefusal(response: HttpResponse): string | undefined {
  if (response.status < 400 || response.status >= 500) return undefined;
  return jsonIfAny(response, OAUTH_REFUSAL)?.error;
}

/** Tells whether an answer is a page for people, which no API sends. */
export function isWebPage({ headers }: HttpResponse): boolean {
  return /^text\/html\b/i.test(headers['content-type'] ?? '');
}

/** The schema of an object in an answer that may have many names, each with such a value; listOf() says why. */
export function recordOf<Value extends z.ZodType>(value: Value) {
  const values = listOf(value);
  return z.record(z.string(), z.unknown()).transform((given, context): Record<string, z.output<Value>> => {
    const { data } = values.safeParse(Object.values(given));
    if (data) return Object.fromEntries(Object.keys(given).map((name, at) => [name, data[at] as z.output<Value>]));
    context.addIssue({ code: 'custom', message: 'A value is of another form.' });
    return z.NEVER;
  });
}

/** The product that a server calls itself, with its version where it tells one: the first word of its Server header. */
export function serverProduct(response: HttpResponse): string | undefined {
  return /^[A-Za-z][A-Za-z0-9_.-]{0,39}(\/[A-Za-z0-9_.-]{1,20})?/.exec(response.headers.server ?? '')?.[0];
}
