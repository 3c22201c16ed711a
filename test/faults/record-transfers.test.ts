import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { newTestDatabase } from '../support/databases.ts';
import { ReadManaged } from '../support/operations.ts';
import { startProcess } from '../support/own-gateway.ts';
import { heldOnTop } from '../support/process-memory.ts';

const RECORDS = 100_000;
/** In MiB: what a gateway that brings them in or out, 35 MB, may hold on top of what one does that is idle. */
const ON_TOP = 20;

test.each([
  ['sqlite', 'jsonl', 'application/jsonl'],
  ['sqlite', 'csv', 'text/csv'],
  ['postgres', 'jsonl', 'application/jsonl'],
  ['postgres', 'csv', 'text/csv'],
] as const)('100,000 records on %s go in and out as %s in little memory', async (kind, format, type) => {
  const database = await newTestDatabase(kind);
  onTestFinished(async () => void (await database.remove()));
  const folder = await mkdtemp(join(tmpdir(), 'gateway-transfers-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // a process of its own: what it holds can be counted from outside
  const { client, token, heldMemory } = await startProcess(database.url, folder, onTestFinished);
  const { id } = await apiOf(client).created({ config: { managed: { maxSizeMb: 100 } } });
  const url = `${client.url}/datastores/${id}/records?`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': type };
  const body = textOf(format) as unknown as BodyInit;
  const [text, onTopIn] = await heldOnTop(heldMemory, async () => {
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
    return (await fetch(url, init)).text();
  });
  expect(JSON.parse(text.trim().split('\n').at(-1) ?? '')).toMatchObject({ status: 'COMPLETE', put: RECORDS });
  const { datastore } = await client.run(ReadManaged, { id });
  expect(datastore).toMatchObject({ recordCount: RECORDS });
  const [bytes, onTopOut] = await heldOnTop(heldMemory, async () => {
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
