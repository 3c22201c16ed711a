import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createSignIn } from '../../src/server/sign-in.ts';
import { raw, startEdge } from './edge.ts';

const session = { token: 'dsg_session', expiresAt: '2030-01-01T00:00:00.000Z' };
const browser = { headers: { accept: 'text/html,application/xhtml+xml' } };

describe('the page', () => {
  test('is for browsers, needs no token and holds none', async () => {
    const signIn = createSignIn(async () => session);
    const code = signIn.issue();
    const edge = await startEdge({ signIn });
    const answer = await fetch(edge.url, browser);
    const html = await answer.text();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('x-frame-options')).toBe('DENY');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(html).not.toContain(code);
    expect(html).toContain('mutation RegisterDatastore');
    expect((await fetch(edge.url)).status).toBe(401);
  });

  test('is where `/` leads a browser, and nobody else', async () => {
    const edge = await startEdge();
    const root = new URL('/', edge.url);
    const answer = await fetch(root, { ...browser, redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/graphql']);
    expect((await fetch(root)).status).toBe(404);
  });

  test('loads nothing from anywhere, and only its own scripts may run', async () => {
    const edge = await startEdge();
    const answer = await fetch(edge.url, browser);
    const html = await answer.text();
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain(`default-src 'none'`);
    expect(policy).toContain(`connect-src 'self'`);
    expect(policy).toContain(`frame-ancestors 'none'`);
    expect(policy).not.toMatch(/script-src[^;]*(?:unsafe|http|\*|self)/);
    const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script = '']) => script);
    expect(scripts).toHaveLength(2);
    const markup = scripts.reduce((rest, script) => rest.replace(script, () => ''), html);
    expect(markup).toContain('<script></script>');
    expect(markup).not.toMatch(/(?:src|href|url\()\s*=?\s*["']?(?:https?:|\/)/);
    for (const script of scripts) expect(policy).toContain(createHash('sha256').update(script).digest('base64'));
  });

  test('speaks of links and of pressing Enter only where there are any', async () => {
    const pageOf = async (edge: { url: string }) => (await fetch(edge.url, browser)).text();
    const words = /Press Enter|Open the link|This link was/;
    expect(await pageOf(await startEdge())).not.toMatch(words);
    expect(await pageOf(await startEdge({ signIn: createSignIn(async () => session) }))).toMatch(words);
  });

  test('is not sent again to who has it', async () => {
    const edge = await startEdge();
    const first = await fetch(edge.url, browser);
    const etag = first.headers.get('etag') ?? '';
    const plain = await fetch(edge.url, { headers: { ...browser.headers, 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(await plain.text()).toBe(await first.text());
    const again = await fetch(edge.url, { headers: { ...browser.headers, 'if-none-match': etag } });
    expect(again.status).toBe(304);
    expect(again.headers.get('content-security-policy')).toBe(first.headers.get('content-security-policy'));
  });

  test('is not there when it is off', async () => {
    const edge = await startEdge({ graphiql: 'off' });
    expect((await fetch(edge.url, browser)).status).toBe(401);
    expect((await fetch(`${edge.url.replace('graphql', 'graphiql')}/session`, { method: 'POST' })).status).toBe(404);
  });
});

describe('the exchange of a sign-in code', () => {
  const exchange = (
    url: string,
    body: string,
    headers: Record<string, string> = { 'content-type': 'application/json' },
  ) => fetch(url.replace('/graphql', '/graphiql/session'), { method: 'POST', headers, body });

  test('gives a token, once', async () => {
    const signIn = createSignIn(async () => session);
    const edge = await startEdge({ signIn });
    const body = JSON.stringify({ code: signIn.issue() });
    const answer = await exchange(edge.url, body);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(await answer.json()).toEqual(session);
    const again = await exchange(edge.url, body);
    expect(again.status).toBe(401);
    expect(await again.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });

  test('is refused to pages of another origin, to strange hosts, to forms and to GET; the code stays good', async () => {
    const signIn = createSignIn(async () => session);
    const edge = await startEdge({ signIn });
    const body = JSON.stringify({ code: signIn.issue() });
    const json = { 'content-type': 'application/json' };
    expect((await exchange(edge.url, body, { ...json, origin: 'http://evil.example' })).status).toBe(403);
    expect((await exchange(edge.url, body, { 'content-type': 'text/plain' })).status).toBe(415);
    const rebound = [
      'POST /graphiql/session HTTP/1.1',
      'Host: evil.example',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ];
    expect(await raw(edge.port, [`${rebound.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`])).toMatch(
      /^HTTP\/1\.1 403/,
    );
    expect((await fetch(edge.url.replace('/graphql', '/graphiql/session'))).status).toBe(404);
    expect((await exchange(edge.url, body)).status).toBe(200);
  });

  test.each(['{}', '[]', 'null', '{"code": 7}', '{"code": "x"}'])('%s is no code', async (body) => {
    const edge = await startEdge({ signIn: createSignIn(async () => session) });
    expect((await exchange(edge.url, body)).status).toBe(401);
  });

  test('without sign-in links every code is refused', async () => {
    const edge = await startEdge();
    expect((await exchange(edge.url, '{"code": "x"}')).status).toBe(401);
    expect((await exchange(edge.url, '{"code": ')).status).toBe(400);
  });
});
