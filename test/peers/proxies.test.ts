import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { LookupFunction } from 'node:net';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { Agent, fetch } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { apiOf } from '../support/api.ts';
import { createAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { describePeer } from '../support/peers/installed.ts';
import { NGINX, startNginx } from '../support/peers/nginx.ts';
import { endProcess, freePorts } from '../support/peers/own-process.ts';

const ROOT = join(import.meta.dirname, '../..');
const QUERY = 'subscription { datastoreEvents { kind datastore { label } } }';

/** The configuration in this language as the page has it, with other places in the stead of its own. */
async function configOf(language: string, places: Readonly<Record<string, string>>): Promise<string> {
  const page = await readFile(join(ROOT, 'docs/put-it-into-your-product.md'), 'utf8');
  const [, ...blocks] = page.split(`\`\`\`${language}\n`);
  expect(blocks).toHaveLength(1);
  const [config = ''] = (blocks[0] ?? '').split('```');
  return Object.entries(places).reduce((text, [from, to]) => {
    expect(text).toContain(from);
    return text.replaceAll(from, to);
  }, config);
}

interface Place {
  /** Where the page finds the API. */
  readonly url: string;
  /** The page's. */
  readonly origin: string;
  readonly ca?: string;
}

/** Every name is this machine. */
const lookup: LookupFunction = (_host, { all }, found) =>
  all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4);

/** Uses the API in all three ways as a page would, and sees that events come while their stream goes on. */
async function useAsPage(gateway: TestGateway, { url, origin, ca }: Place): Promise<void> {
  const dispatcher = new Agent({ connect: ca === undefined ? {} : { ca, lookup } });
  onTestFinished(() => dispatcher.destroy());
  const authorization = `Bearer ${gateway.token}`;
  const post = (query: string, accept = 'application/json') =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, authorization, origin },
      body: JSON.stringify({ query }),
      dispatcher,
    });
  const answer = await post('{ viewer { token { name } } }');
  expect({ status: answer.status, text: await answer.text() }).toMatchObject({
    status: 200,
    text: expect.stringContaining('"name":"all '),
  });
  const tooLarge = await post(`{ viewer { token { name } } } #${'x'.repeat(1024 * 1024)}`);
  expect({ status: tooLarge.status, text: await tooLarge.text() }).toMatchObject({
    status: 413,
    text: expect.stringContaining('PAYLOAD_TOO_LARGE'),
  });
  const events = { sse: '', webSocket: '' };
  const stream = await post(QUERY, 'text/event-stream');
  const reading = (async () => {
    for await (const chunk of stream.body ?? []) events.sse += Buffer.from(chunk).toString();
  })();
  class PageSocket extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols, { headers: { origin }, ...(ca === undefined ? {} : { ca, lookup }) });
    }
  }
  const client = createClient({
    url: url.replace('http', 'ws'),
    webSocketImpl: PageSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
  });
  const over = new Promise<void>((resolve, reject) => {
    const next = (result: unknown) => {
      events.webSocket += JSON.stringify(result);
    };
    client.subscribe({ query: QUERY }, { next, error: reject, complete: resolve });
  });
  const api = apiOf(gateway);
  const { id } = await api.created({ config: { postgres: postgresConfig() } });
  const happened = eventually(async () => {
    await api.updated({ id, label: `changed ${Math.random()}` });
    return events.sse.includes('changed') && events.webSocket.includes('changed');
  });
  await Promise.race([happened, over.then(() => Promise.reject(new Error('the WebSocket was closed')))]);
  await client.dispose();
  await gateway.app.close();
  await reading;
  expect(events.sse).toContain('UNAVAILABLE');
}

async function start(allowedHosts: string[]): Promise<TestGateway> {
  const gateway = await startGateway({ allowedHosts });
  onTestFinished(() => gateway.close());
  return gateway;
}

describe('a page behind Vite’s dev server', () => {
  test('uses HTTP, SSE and WebSocket with the configuration of the docs', async () => {
    const [port = 0] = await freePorts(1);
    const origin = `http://localhost:${port}`;
    const gateway = await start([`localhost:${port}`]);
    // the configuration imports vite, which is found from here
    const cache = join(ROOT, 'node_modules/.cache');
    await mkdir(cache, { recursive: true });
    const home = await mkdtemp(join(cache, 'vite-'));
    onTestFinished(() => rm(home, { recursive: true, force: true }));
    await writeFile(join(home, 'vite.config.ts'), await configOf('ts', { 'http://127.0.0.1:4000': gateway.url }));
    const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
    const child = spawn(process.execPath, [vite, '--port', String(port), '--strictPort'], {
      cwd: home,
      stdio: 'ignore',
    });
    onTestFinished(() => endProcess(child));
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error('Vite ended');
      return (await fetch(origin).catch(() => undefined)) !== undefined;
    });
    await useAsPage(gateway, { url: `${origin}/graphql`, origin });
  });
});

describePeer('a page behind nginx', NGINX, () => {
  test('uses HTTP, SSE and WebSocket with the configuration of the docs', async () => {
    const [port = 0] = await freePorts(1);
    const gateway = await start(['https://app.example']);
    const authority = await createAuthority();
    const { certificate, key } = await authority.issue({ commonName: 'app.example' });
    const config = await configOf('nginx', {
      'listen 443': `listen 127.0.0.1:${port}`,
      '/etc/ssl/': 'FILES/',
      'http://127.0.0.1:4000': gateway.url,
    });
    const nginx = await startNginx(config, { 'app.example.crt': certificate, 'app.example.key': key });
    onTestFinished(() => nginx.close());
    const url = `https://app.example:${port}/graphql`;
    await useAsPage(gateway, { url, origin: 'https://app.example', ca: authority.certificate });
  });
});
