import { request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { makeToken } from '../../src/modules/access/token.ts';
import { encodingFor } from '../../src/server/compression.ts';
import { goodToken, startEdge, type TestEdge } from './edge.ts';

const LARGE = '{ me __schema { types { name fields { name } } } }';

/** Asks without the decompression that fetch() does by itself. */
function ask(edge: TestEdge, query: string, headers: Record<string, string>) {
  return new Promise<{ headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
    const all = { authorization: `Bearer ${goodToken}`, 'content-type': 'application/json', ...headers };
    const asked = request(edge.url, { method: 'POST', headers: all }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(chunks) }));
    });
    asked.on('error', reject).end(JSON.stringify({ query }));
  });
}

describe('answers', () => {
  test('are compressed by what the caller takes, and say the same', async () => {
    const edge = await startEdge();
    const plain = await ask(edge, LARGE, {});
    expect(plain.headers['content-encoding']).toBeUndefined();
    const zipped = await ask(edge, LARGE, { 'accept-encoding': 'gzip, deflate' });
    const brotli = await ask(edge, LARGE, { 'accept-encoding': 'gzip, br' });
    expect([zipped.headers['content-encoding'], brotli.headers['content-encoding']]).toEqual(['gzip', 'br']);
    expect(gunzipSync(zipped.body)).toEqual(plain.body);
    expect(brotliDecompressSync(brotli.body)).toEqual(plain.body);
    for (const { headers, body } of [plain, zipped, brotli]) {
      expect(headers).toMatchObject({ vary: 'accept-encoding', 'content-length': String(body.length) });
    }
    expect(brotli.body.length).toBeLessThan(plain.body.length / 2);
  });

  test('that are small, that show a token, and streams stay as they are', async () => {
    const edge = await startEdge();
    const accept = { 'accept-encoding': 'br' };
    expect((await ask(edge, '{ me }', accept)).headers['content-encoding']).toBeUndefined();
    const stream = await ask(edge, 'subscription { ticks }', { ...accept, accept: 'text/event-stream' });
    expect(stream.headers['content-encoding']).toBe('none');
    expect(stream.body.toString()).toContain('event: next');
    expect((await ask(edge, LARGE, accept)).headers['content-encoding']).toBe('br');
    const token = makeToken();
    edge.tokens.set(goodToken, { name: token });
    const shown = await ask(edge, LARGE, accept);
    expect(shown.headers['content-encoding']).toBeUndefined();
    expect(shown.body.toString()).toContain(token);
  });
});

test.each([
  [undefined, null],
  ['', null],
  ['identity', null],
  ['deflate', null],
  ['gzip', 'gzip'],
  ['GZIP;q=0.5', 'gzip'],
  ['br;q=0, gzip', 'gzip'],
  ['br ; q = 0.000 , gzip;q=0', null],
  ['*', 'br'],
  ['*;q=0', null],
  ['br;q=0, *', 'gzip'],
])('an Accept-Encoding of %s takes %s', (header, encoding) => {
  expect(encodingFor(header)).toBe(encoding);
});
