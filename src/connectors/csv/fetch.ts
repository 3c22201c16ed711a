import { publicTls } from '../kit/config/target.ts';
import { targetOfUrl } from '../kit/config/url.ts';
import type { Target, TestContext } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { HttpClient, type HttpResponse } from '../kit/http/client.ts';

/** The config field that leads to the file. */
export const HOST_PATH = 'source.url';

/** How often servers may send on to another place. */
const MOST_REDIRECTS = 5;
/** The statuses of an answer that sends on. The others from 300 to 399 do not, or not a GET. */
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const HEADERS = { accept: 'text/csv, text/plain;q=0.9, */*;q=0.5' };

/** The client of the place where the file is asked for last; whoever holds it closes it. */
export interface FileClient {
  http?: HttpClient;
}

export interface FileRequest {
  readonly url: string;
  /** What is asked for behind the question mark. It goes to the place in the URL, and never any further. */
  readonly query: string | undefined;
  /** How much of the file is read, in bytes. */
  readonly maxBytes: number;
}

export interface FetchedFile {
  readonly response: HttpResponse;
  /** The host that the file, or the refusal, came from. */
  readonly host: string;
  readonly redirects: number;
}

export function fileTarget(url: string): Target {
  return targetOfUrl(url, publicTls, { hostPath: HOST_PATH });
}

/**
 * Asks for the file, and follows up to five redirects to https URLs, each of which is dialled and judged as the first
 * one is. Another place gets nothing but its own URL. Any answer that does not send on is given back.
 */
export async function fetchFile(
  context: TestContext<unknown> & { readonly state: FileClient },
  { url: first, query, maxBytes }: FileRequest,
): Promise<FetchedFile> {
  let url = new URL(first);
  // a parser would write some characters of a signature in another way
  let path = url.pathname + (query === undefined ? '' : `?${query}`);
  for (let redirects = 0; ; redirects += 1) {
    const from = redirects === 0 ? undefined : url.host;
    const response = await fetchOnce(context, url, path, maxBytes).catch((error: unknown) => {
      throw error instanceof Failure && from !== undefined ? error.with({ redirectHost: from }) : error;
    });
    const location = REDIRECTS.includes(response.status) ? response.headers.location : undefined;
    if (location === undefined) return { response, host: url.hostname, redirects };
    url = nextUrl(location, url, redirects);
    path = url.pathname + url.search;
  }
}

async function fetchOnce(
  context: TestContext<unknown> & { readonly state: FileClient },
  url: URL,
  path: string,
  maxBytes: number,
): Promise<HttpResponse> {
  const { state } = context;
  // a place of its own has a connection of its own
  state.http?.close();
  state.http = new HttpClient(context, fileTarget(url.href));
  return state.http.request({ method: 'GET', path, headers: HEADERS, maxBytes, tooLong: 'cut' });
}

/** The place that an answer sends on to. Fails when it is not followed. */
function nextUrl(location: string, from: URL, redirects: number): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const refuse = (hint: string) =>
    new Failure('PROTOCOL_MISMATCH', { configPath: HOST_PATH, hint, evidence: { redirectHost: next?.host } });
  if (!next) throw refuse('The server sends on to what is no URL: give the one that the file itself has.');
  if (next.protocol !== 'https:')
    throw refuse('The server sends on to a URL without TLS, which is not followed: give one that https:// leads to.');
  if (next.username !== '' || next.password !== '')
    throw refuse('The server sends on to a URL with a user name in it, which is not followed.');
  if (redirects === MOST_REDIRECTS)
    throw refuse('The servers send on more than five times: give the URL that the file itself has.');
  return next;
}
