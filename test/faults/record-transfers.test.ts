import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/platform/database/database.ts';
import { type Api, apiOf } from '../support/api.ts';
import { childProgram } from '../support/child-program.ts';
import { newTestDatabase } from '../support/databases.ts';
import { clientOf, type GatewayClient } from '../support/gateway.ts';
import { ReadManaged } from '../support/operations.ts';
import { memoryOnTop } from '../support/process-memory.ts';

const RECORDS = 100_000;
/** In MiB: what a gateway that brings them in or out may have on top of one that is idle. */
const ON_TOP = 100;

describe.each<Database['kind']>(['sqlite', 'postgres'])('100,000 records on %s', (kind) => {
  const endings: (() => Promise<unknown>)[] = [];
  let gateway: ChildProcess;
  let client: GatewayClient;
  let api: Api;
  let token: string;

  beforeAll(async () => {
    const database = await newTestDatabase(kind);
    const folder = await mkdtemp(join(tmpdir(), 'gateway-transfers-'));
    endings.push(database.remove, () => rm(folder, { recursive: true, force: true }));
    const script = join(import.meta.dirname, '../support/gateway-process.ts');
    // a process of its own: what it holds can be counted from outside
    gateway = spawn(process.execPath, [script, database.url, folder, childProgram().childUrl], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (!gateway.stdout) throw new Error('The gateway has no output.');
    const [line] = (await once(createInterface(gateway.stdout), 'line')) as [string];
    const started = JSON.parse(line) as { url: string; token: string };
    token = started.token;
    client = clientOf(started.url, token);
    api = apiOf(client);
  });

  afterAll(async () => {
    const exited = once(gateway, 'exit');
    gateway.kill('SIGKILL');
    await exited;
    for (const end of endings.reverse()) await end();
  });

  test.each([
    ['jsonl', 'application/jsonl'],
    ['csv', 'text/csv'],
  ])('go in and out as %s in little memory', async (format, type) => {
    const { id } = await api.created({ config: { managed: { maxSizeMb: 100 } } });
    const url = `${client.url}/datastores/${id}/records?`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': type };
    const body = textOf(format) as unknown as BodyInit;
    const [text, onTopIn] = await memoryOnTop(gateway.pid, async () => {
      const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
      return (await fetch(url, init)).text();
    });
    expect(JSON.parse(text.trim().split('\n').at(-1) ?? '')).toMatchObject({ status: 'COMPLETE', put: RECORDS });
    const { datastore } = await client.run(ReadManaged, { id });
    expect(datastore).toMatchObject({ recordCount: RECORDS });
    const [bytes, onTopOut] = await memoryOnTop(gateway.pid, async () => {
      const response = await fetch(`${url}format=${format}`, { headers });
      let size = 0;
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) size += chunk.length;
      return size;
    });
    expect(bytes).toBeGreaterThan(RECORDS * 300);
    process.stdout.write(`${kind}, ${format}: ${onTopIn} MiB on top in, ${onTopOut} MiB out, of ${bytes} bytes\n`);
    expect(onTopIn).toBeLessThan(ON_TOP);
    expect(onTopOut).toBeLessThan(ON_TOP);
  });
});

/** The records as a text, a thousand at a time. */
async function* textOf(format: string): AsyncGenerator<Uint8Array> {
  if (format === 'csv') yield Buffer.from('$key,a,text\r\n');
  for (let from = 0; from < RECORDS; from += 1_000) {
    const lines = Array.from({ length: 1_000 }, (_, at) => {
      const key = `k${from + at}`;
      const data = { a: String(from + at), text: `"${'x'.repeat(300)}"` };
      return format === 'csv'
        ? `${key},${data.a},"${data.text.replaceAll('"', '""')}"\r\n`
        : `${JSON.stringify({ key, data })}\n`;
    });
    yield Buffer.from(lines.join(''));
  }
}
