import type { GraphQLParams } from 'graphql-yoga';
import { findRepeatedName } from '../platform/json-names.ts';
import { requestError } from './request-error.ts';
import { isLikeName } from './shown-names.ts';

/** How deep variables may nest: an input type within itself is read by a function within itself. */
const MAX_DEPTH = 1_000;
const INDEX = /^\d{1,6}$/;
const PARAMS = ['query', 'variables', 'operationName', 'extensions'];

/**
 * Reads the parameters of GraphQL over HTTP from a request. @throws a request error that says what is wrong, without
 * quoting it
 */
export async function readParams(request: Request): Promise<GraphQLParams> {
  return request.method === 'GET' ? checkParams(readUrl(request.url)) : parseBody(await request.text());
}

/** Reads the parameters of a body that was posted. @throws a request error that says what is wrong */
export function parseBody(text: string): GraphQLParams {
  const params = checkParams(parseJson(text, 'The body'));
  refuseRepeatedNames(params, text);
  return params;
}

/**
 * Refuses a mutation whose JSON has a name twice in one object: JSON.parse takes the last one, and what the other says
 * would be lost. RFC 8259 leaves to each reader what becomes of it, so that others may have read the other one.
 * @throws a request error with the path of the name, or as far as names on it look like any: others may be secrets
 */
export function refuseRepeatedNames({ query }: GraphQLParams, json: string): void {
  if (!query?.includes('mutation')) return;
  const found = findRepeatedName(json);
  if (found === null) return;
  // a message of the WebSocket has the body as its payload
  const within = found[0] === 'payload' ? found.slice(1) : found;
  const strange = within.findIndex((name) => !INDEX.test(name) && !isLikeName(name));
  const path = strange < 0 ? within : within.slice(0, strange);
  const message = 'A name stands twice in its object: leave one of them out.';
  const issue = { path, configPath: null, code: 'INVALID_VALUE', message } as const;
  throw requestError('BAD_REQUEST', { message: `${message} issues says which.`, status: 400, issues: [issue] });
}

/** Checks parameters that came as an object: a POST's body, or the payload of a WebSocket's subscribe. */
export function checkParams(params: unknown): GraphQLParams {
  if (Array.isArray(params)) throw badRequest('Batches are not taken: send one operation a request.');
  if (!isObject(params))
    throw badRequest('The body must be a JSON object with query, variables, operationName and extensions.');
  const { query, variables, operationName, extensions, ...others } = params;
  if (Object.values(others).some((value) => value != null)) throw badRequest(`Only ${PARAMS.join(', ')} are taken.`);
  if (query == null && isObject(extensions) && extensions.persistedQuery != null) throw notPersisted();
  if (typeof query !== 'string' || query === '') throw badRequest('query must be the text of a GraphQL document.');
  if (operationName != null && typeof operationName !== 'string') throw badRequest('operationName must be text.');
  if (variables != null && !isObject(variables)) throw badRequest('variables must be a JSON object.');
  if (isDeeperThan(variables, MAX_DEPTH)) throw badRequest(`variables nest more than ${MAX_DEPTH} deep.`);
  if (extensions != null && !isObject(extensions)) throw badRequest('extensions must be a JSON object.');
  return {
    query,
    ...(isObject(variables) && { variables }),
    // Yoga's caches and graphql-js would take an empty name for a name
    ...(operationName && { operationName }),
    ...(isObject(extensions) && { extensions }),
  };
}

function readUrl(url: string): Record<string, unknown> {
  const search = new URLSearchParams(url.slice(url.indexOf('?') + 1));
  const json = (name: string) => {
    const text = search.get(name);
    return text ? parseJson(text, name) : undefined;
  };
  return {
    query: search.get('query'),
    operationName: search.get('operationName'),
    variables: json('variables'),
    extensions: json('extensions'),
  };
}

/** Parses JSON. @throws a request error that says what is no JSON, without quoting it */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // V8's message quotes the text, so it is left out
    throw badRequest(`${what} is no JSON.`);
  }
}

/** Goes level by level, since what is too deep for others would be too deep for a function within itself. */
function isDeeperThan(value: unknown, depth: number): boolean {
  if (isFlatObject(value)) return false;
  let level = [value];
  for (let at = 0; level.length > 0; at += 1) {
    if (at > depth) return true;
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []));
  }
  return false;
}

function isFlatObject(value: unknown): boolean {
  if (!isObject(value)) return false;
  for (const name in value) if (typeof value[name] === 'object') return false;
  return true;
}

/** Clients with automatic persisted queries send the query itself where they read this, letter for letter. */
function notPersisted() {
  const message = 'PersistedQueryNotSupported';
  return requestError('PERSISTED_QUERY_NOT_SUPPORTED', { message, status: 400, aboutDocument: true });
}

function badRequest(message: string) {
  return requestError('BAD_REQUEST', { message, status: 400 });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
