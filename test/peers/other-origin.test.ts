import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { goodToken, startEdge } from '../server/edge.ts';
import { describePeer } from '../support/peers/installed.ts';

const PATIENCE_MS = 180_000;

/** What a page of another origin tries, and what it sees of that: `refused` where the browser says no more. */
async function tryAll({ url, token }: { url: string; token: string }) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const post = async (query: string, accept: string) => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { ...headers, accept },
      body: JSON.stringify({ query }),
    });
    return (await answer.text()).replaceAll(/\s+/g, ' ');
  };
  const live = () =>
    new Promise<string>((resolve, reject) => {
      const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws');
      const send = (message: object) => socket.send(JSON.stringify(message));
      socket.onopen = () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
      socket.onerror = () => reject(new Error('refused'));
      socket.onmessage = ({ data }) => {
        const { type } = JSON.parse(String(data)) as { type: string };
        if (type === 'connection_ack')
          send({ id: '1', type: 'subscribe', payload: { query: 'subscription { ticks }' } });
        else if (type === 'next' || type === 'error') {
          resolve(String(data));
          socket.close();
        }
      };
    });
  const tried = {
    query: post('{ me }', 'application/json'),
    // a request that needs no preflight reaches the gateway, and is refused there
    simple: fetch(`${url}?query=${encodeURIComponent('{ me }')}`).then((answer) => answer.text()),
    sse: post('subscription { ticks }', 'text/event-stream'),
    webSocket: live(),
  };
  const seen: Record<string, string> = {};
  for (const [name, answer] of Object.entries(tried)) seen[name] = await answer.catch(() => 'refused');
  return seen;
}

describePeer('a page of another origin in Chromium', { programs: ['chromium'], packages: ['chromium'] }, () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  }, PATIENCE_MS);
  afterAll(() => browser?.close());

  const visit = async (isAllowed: boolean) => {
    const site = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>App</title>');
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void site.close());
    const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    const edge = await startEdge({ allowedOrigins: isAllowed ? [origin] : [] });
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(origin);
    return { origin, edge, seen: await page.evaluate(tryAll, { url: edge.url, token: goodToken }) };
  };

  test('queries and subscribes by SSE and WebSocket where it is listed', { timeout: PATIENCE_MS }, async () => {
    const { seen } = await visit(true);
    expect(seen).toEqual({
      query: expect.stringContaining('"data"'),
      simple: expect.stringContaining('UNAUTHENTICATED'),
      sse: expect.stringContaining('"ticks"'),
      webSocket: expect.stringContaining('"ticks"'),
    });
  });

  test('can do nothing where it is not, and the log names what is missing', { timeout: PATIENCE_MS }, async () => {
    const { seen, origin, edge } = await visit(false);
    expect(seen).toEqual({ query: 'refused', simple: 'refused', sse: 'refused', webSocket: 'refused' });
    await expect.poll(() => edge.log()).toContain(`ALLOWED_ORIGINS`);
    expect(edge.log()).toContain(origin);
  });
});
