import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * How long a browser may remember a preflight's answer, in seconds: two hours, the most that Chromium takes. An origin
 * that is taken off the list is refused at once all the same, for the request itself is judged too.
 */
const PREFLIGHT_SECONDS = 7_200;
/** `*` leaves the Authorization header out, so it is named; it stands for the headers that clients add of their own. */
const REQUEST_HEADERS = 'authorization, content-type, *';
/** What a page may read of an answer besides its body and type. */
const SHOWN_HEADERS = 'retry-after, www-authenticate, x-request-id';

/** A scheme, a host and perhaps a port, and nothing after it. */
const ORIGIN = /^https?:\/\/[^\s/?#\\@]+$/i;

/**
 * Reads a list of origins, separated by commas, as browsers spell them: in lower case, without the scheme's own port.
 * @throws Error that names the entry which is none
 */
export function parseAllowedOrigins(text: string): string[] {
  const entries = text.split(',').map((entry) => entry.trim());
  return entries.filter((entry) => entry !== '').map(readOrigin);
}

function readOrigin(entry: string): string {
  // what stands before an @ may be a password
  if (entry.includes('@')) throw new Error('ALLOWED_ORIGINS has an entry with a user in it: an origin has none');
  const shown = JSON.stringify(entry);
  if (entry.includes('*')) {
    throw new Error(`ALLOWED_ORIGINS has ${shown}, but takes no wildcard: list each origin, as https://app.example`);
  }
  if (ORIGIN.test(entry) && URL.canParse(entry)) return new URL(entry).origin;
  const meant = URL.canParse(entry) ? new URL(entry).origin : 'null';
  const advice = meant === 'null' ? 'write its scheme, host and port, as https://app.example' : `write ${meant}`;
  throw new Error(`ALLOWED_ORIGINS has ${shown}, which is no origin of http:// or https://: ${advice}`);
}

/**
 * The pages of other origins that may ask, and how their browsers are told (CORS). There are no cookies, so nothing is
 * allowed with credentials: a page brings its token itself.
 */
export class AllowedOrigins {
  readonly #origins: ReadonlySet<string>;

  /** As parseAllowedOrigins() gives them. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  has(origin: string | undefined): boolean {
    return origin !== undefined && this.#origins.has(origin);
  }

  /** Lets the page that asked read the answer, whatever that is going to be; a page that may not ask gets nothing. */
  setHeaders({ headers: { origin } }: IncomingMessage, response: ServerResponse): void {
    if (this.#origins.size === 0) return;
    response.setHeader('vary', 'origin');
    if (origin === undefined || !this.has(origin)) return;
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', SHOWN_HEADERS);
  }

  /** True when a browser asks whether a page may send a request, before it sends it. */
  isPreflight({ method, headers }: IncomingMessage): boolean {
    return method === 'OPTIONS' && this.has(headers.origin) && headers['access-control-request-method'] !== undefined;
  }

  /** Answers a preflight, after setHeaders(). */
  sendPreflight(response: ServerResponse): void {
    const headers = {
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': String(PREFLIGHT_SECONDS),
    };
    response.writeHead(204, headers).end();
  }
}
