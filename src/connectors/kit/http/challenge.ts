import { Failure } from '../contract/failure.ts';
import type { HttpResponse } from './client.ts';

/** The schemes of HTTP's sign-in that are shown by their names, as the server's own words are not. */
const KNOWN: readonly string[] = ['apikey', 'basic', 'bearer', 'digest', 'kerberos', 'negotiate', 'ntlm', 'oauth'];
const METHOD_HINT =
  'The server signs nobody in this way; the evidence has what it offers instead. Allow this way at the server, or a user that signs in so.';

/** The schemes that an answer offers to sign in with (RFC 9110, 11.6.1), in lower case. */
export function offeredSchemes({ headers }: Pick<HttpResponse, 'headers'>): readonly string[] {
  // a comma may stand in what is quoted
  const challenges = (headers['www-authenticate'] ?? '').replace(/"[^"]*"/g, '""').split(',');
  return challenges.flatMap((part) => {
    // a parameter of the challenge before has its equals sign behind the first word
    const scheme = /^([a-z][a-z0-9-]{0,40})(?:\s+[^=\s]|$)/i.exec(part.trim())?.[1];
    return scheme === undefined ? [] : [scheme.toLowerCase()];
  });
}

/**
 * The failure behind a 401 of the API's own that offers none of the ways to sign in which the type has; `configPath`
 * names the field that holds the way that was tried. Undefined for any other answer, and where nothing is offered.
 */
export function methodFailure(
  response: HttpResponse,
  ways: readonly string[],
  configPath: string,
  hint = METHOD_HINT,
): Failure | undefined {
  if (response.status !== 401) return undefined;
  const offered = offeredSchemes(response);
  if (offered.length === 0 || offered.some((scheme) => ways.includes(scheme))) return undefined;
  const names = offered.map((scheme) => (KNOWN.includes(scheme) ? scheme : 'another'));
  return new Failure('SIGN_IN_METHOD_REFUSED', { configPath, hint, evidence: { offered: names.join(', ') } });
}
