import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { takes } from './compression.ts';
import { type ExampleDatabase, graphiqlExamples } from './graphiql-examples.ts';
import { pageScript, pageStyle } from './graphiql-page.ts';
import { sendJson } from './replies.ts';
import { requestError } from './request-error.ts';
import type { SignIn, SignInToken } from './sign-in.ts';

/** GraphiQL for a browser, from the package, without a request to any other server. */
export interface GraphiQL {
  /** True for a browser that opens a page. */
  isFor(request: IncomingMessage): boolean;
  /** Sends the page; it holds nothing, so it needs no token. */
  sendPage(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Says where people sign in: `{"endpoint": "…", "clientId": "…"}`, or null. */
  sendProvider(response: ServerResponse): Promise<void>;
  /**
   * Exchanges a sign-in code (`{"code": "…"}`), or one of the OpenID provider's (with `verifier` and `redirectUri`),
   * for a token.
   */
  signIn(body: unknown, response: ServerResponse): Promise<void>;
}

/** The longest code, verifier and URI, in characters. */
const MAX_TEXT = 4_096;

/** How people sign in at an OpenID provider; modules/people answers. */
export interface PeopleSignIn {
  readonly provider: { authorization(): Promise<{ readonly endpoint: string; readonly clientId: string } | undefined> };
  signIn(code: {
    readonly code: string;
    readonly verifier: string;
    readonly redirectUri: string;
  }): Promise<SignInToken | null>;
}

export interface GraphiQLOptions {
  readonly signIn?: SignIn | undefined;
  readonly people?: PeopleSignIn | undefined;
  readonly example?: ExampleDatabase | undefined;
  /** Told of a code that was refused: of a sign-in link, or of the OpenID provider. */
  readonly onRefused?: ((means: 'link' | 'provider') => void) | undefined;
}

/**
 * Makes the page at its first request, for it takes 9 MB, which a gateway that no browser ever looks at does not need.
 */
export function createGraphiQL({ signIn, people, example, onRefused }: GraphiQLOptions): GraphiQL {
  let page: Promise<Page> | undefined;
  return {
    isFor: ({ method, headers }) => method === 'GET' && /\btext\/html\b/.test(headers.accept ?? ''),
    async sendPage(request, response) {
      page ??= buildPage(signIn !== undefined, example);
      const { headers, html, zipped } = await page;
      if (request.headers['if-none-match'] === headers.etag) return void response.writeHead(304, headers).end();
      const takesZipped = takes('gzip', request.headers['accept-encoding']?.toString());
      const encoding = takesZipped ? { 'content-encoding': 'gzip' } : {};
      response.writeHead(200, { ...headers, ...encoding }).end(takesZipped ? zipped : html);
    },
    async sendProvider(response) {
      sendJson(response, 200, (await people?.provider.authorization()) ?? null);
    },
    async signIn(body, response) {
      const { code, verifier, redirectUri } = (body ?? {}) as Record<string, unknown>;
      const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= MAX_TEXT;
      const isProviders = isText(code) && isText(verifier) && isText(redirectUri);
      const exchanged = isProviders ? people?.signIn({ code, verifier, redirectUri }) : undefined;
      const session = isText(code) && !isProviders ? await signIn?.redeem(code) : await exchanged;
      if (!session) {
        onRefused?.(isProviders ? 'provider' : 'link');
        throw requestError('UNAUTHENTICATED', {
          message: 'This code was used, is too old, or was never given.',
          status: 401,
        });
      }
      sendJson(response, 200, session);
    },
  };
}

const LOGO = `<svg width="24" height="26" viewBox="0 0 24 26" fill="none" stroke="#475569" stroke-width="2" aria-hidden="true">
  <ellipse cx="12" cy="5" rx="10" ry="4"/><path d="M2 5v16c0 2.2 4.5 4 10 4s10-1.8 10-4V5"/><path d="M2 13c0 2.2 4.5 4 10 4s10-1.8 10-4"/></svg>`;

interface Page {
  readonly html: string;
  readonly zipped: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

async function buildPage(hasLinks: boolean, example: ExampleDatabase | undefined): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const options = {
    title: 'Datastore Gateway',
    logo: LOGO,
    endpoint: '/graphql',
    defaultTabs: graphiqlExamples(example),
    // headers that are typed there may hold a token
    shouldPersistHeaders: false,
  };
  const rendered = withHistory(renderGraphiQL(options as Parameters<typeof renderGraphiQL>[0]));
  const html = replaceOnce(
    replaceOnce(rendered, 'YogaGraphiQL.renderYogaGraphiQL(', 'startGraphiQL('),
    '<div id="root"></div>',
    `<style>${pageStyle}</style><div id="root"><p id="loading" role="status">Loading GraphiQL…</p></div><script>${pageScript(hasLinks)}</script>`,
  );
  return { html, zipped: await promisify(gzip)(html), headers: pageHeaders(html) };
}

/**
 * The bundle holds GraphiQL's history panel, but turns the explorer on in its place: this turns both on. What the
 * history remembers ends with the tab, as all that GraphiQL remembers here. Headers are none of it, for a token may be
 * among them: GraphiQL itself would keep them there, although shouldPersistHeaders is false.
 */
function withHistory(html: string): string {
  const [, history] = /[;,\s]([\w$]+)=\{title:"History",icon:/.exec(html) ?? [];
  const [plugins, explorer] = /plugins:\[([\w$]+)\],schemaDescription:/.exec(html) ?? [];
  const [update, headers] =
    /updateHistory=\(\{query:[\w$]+,variables:[\w$]+,headers:([\w$]+),operationName:[\w$]+\}\)=>\{/.exec(html) ?? [];
  if (!history || !plugins || !explorer || !update || !headers)
    throw new Error('GraphiQL’s bundle has changed: its plugins, or what its history keeps, are not found.');
  const withBoth = replaceOnce(html, plugins, `plugins:[${history},${explorer}],schemaDescription:`);
  return replaceOnce(withBoth, update, `${update}${headers}=undefined;`);
}

/**
 * The page may run nothing but what it holds itself, and may talk to nobody but this gateway. Styles are open, for
 * Monaco writes its own as it runs.
 */
function pageHeaders(html: string): Record<string, string> {
  const policy = [
    `default-src 'none'`,
    `script-src ${inlineScripts(html).map(hashOf).join(' ')}`,
    `style-src 'unsafe-inline'`,
    `img-src data:`,
    `font-src data:`,
    `worker-src blob:`,
    `connect-src 'self'`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ];
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'private, no-cache',
    etag: `"${digest(html).toString('hex')}"`,
    vary: 'accept, accept-encoding',
    'content-security-policy': policy.join('; '),
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  };
}

/** Our script and GraphiQL's: two elements, each up to the first `</script>` after its start, as browsers read them. */
function inlineScripts(html: string): string[] {
  const scripts: string[] = [];
  for (let end = 0; ; ) {
    const start = html.indexOf('<script>', end);
    if (start < 0) return scripts;
    end = html.indexOf('</script>', start);
    scripts.push(html.slice(start + '<script>'.length, end));
  }
}

function hashOf(script: string): string {
  return `'sha256-${digest(script).toString('base64')}'`;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function replaceOnce(text: string, part: string, by: string): string {
  const [before, after, ...more] = text.split(part);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`GraphiQL's page has another form: ${part}`);
  return before + by + after;
}
