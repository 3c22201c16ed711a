import { describe, expect, test } from 'vitest';
import { LimitFault } from '../../src/errors/limits.ts';
import { RequestRate } from '../../src/server/request-rate.ts';
import { overWebSocket, startEdge } from './edge.ts';

function refusal(take: () => void): { limit: number; retryAfterSeconds: number } | undefined {
  try {
    take();
    return undefined;
  } catch (error) {
    if (!(error instanceof LimitFault)) throw error;
    return { limit: error.limit, retryAfterSeconds: error.retryAfterSeconds };
  }
}

describe('requests a minute', () => {
  test('are there at once after a quiet minute, and come back evenly', () => {
    let now = 0;
    const rate = new RequestRate(6, () => now);
    const takes = (count: number, token = 'a') =>
      Array.from({ length: count }, () => refusal(() => rate.take(token))).filter((each) => each === undefined).length;
    expect(takes(8)).toBe(6);
    expect(refusal(() => rate.take('a'))).toEqual({ limit: 6, retryAfterSeconds: 10 });
    expect(takes(1, 'b')).toBe(1);
    now += 9_999;
    expect(refusal(() => rate.take('a'))).toEqual({ limit: 6, retryAfterSeconds: 1 });
    now += 1;
    expect(takes(2)).toBe(1);
    now += 3_600_000;
    expect(takes(8)).toBe(6);
  });

  test('count over HTTP, SSE and WebSocket alike, for each token', async () => {
    const edge = await startEdge({ limits: { MAX_REQUESTS_PER_MINUTE: 3 } });
    edge.tokens.set('another-token', { name: 'Bob' });
    const query = '{ me }';
    expect(await (await edge.post({ query })).json()).toHaveProperty('data');
    expect(await (await edge.get({ query })).json()).toHaveProperty('data');
    expect(await overWebSocket(edge.client(), { query })).toContain('"data"');
    const error = {
      message: expect.stringMatching(
        /^The limit of 3 requests a minute for one token is reached \(MAX_REQUESTS_PER_MINUTE\)\. Try again in \d+ s\.$/,
      ),
      extensions: {
        code: 'RATE_LIMITED',
        limit: 3,
        variable: 'MAX_REQUESTS_PER_MINUTE',
        retryAfterSeconds: expect.any(Number),
      },
    };
    for (const refused of [
      await edge.post({ query }),
      await edge.get({ query }),
      await edge.post({ query: 'subscription { stuck }' }, { accept: 'text/event-stream' }),
    ]) {
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await refused.json()).toEqual({ errors: [error] });
    }
    expect(JSON.parse(await overWebSocket(edge.client(), { query }))).toEqual([{ error: [error] }]);
    const other = await edge.post({ query }, { authorization: 'Bearer another-token' });
    expect(await other.json()).toHaveProperty('data');
    // what needs no token is not counted
    expect((await fetch(edge.url.replace('/graphql', '/livez'))).status).toBe(200);
  });
});
