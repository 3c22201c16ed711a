import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { schema } from '../../src/schema.ts';
import { apiOf } from '../support/api.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { MARK, randomRequests } from '../support/random-documents.ts';

const REQUESTS = 10_000;
const AT_ONCE = 8;
/** `RANDOM_SEED=…` repeats a run. */
const SEED = Number(process.env.RANDOM_SEED ?? Date.now() % 2 ** 31);

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

test(`${REQUESTS} random requests crash nothing, and no error is unknown or tells what was given (RANDOM_SEED=${SEED})`, async () => {
  const api = apiOf(gateway);
  const environmentId = await api.newEnvironment();
  const { id } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
  const requests = fc.sample(randomRequests(schema, [id, environmentId]), { numRuns: REQUESTS, seed: SEED });
  const codes = new Map<string, number>();
  const wrong: unknown[] = [];
  const judge = async (request: (typeof requests)[number]) => {
    const { status, text, json } = await gateway.send(request);
    const errors = JSON.stringify(json.errors ?? []);
    for (const error of json.errors ?? ['none']) {
      const code = typeof error === 'string' ? error : String(error.extensions?.code);
      codes.set(code, (codes.get(code) ?? 0) + 1);
      if (code === 'INTERNAL' || code === 'undefined') wrong.push({ request, text });
    }
    if (status >= 500 || errors.includes(MARK)) wrong.push({ request, status, errors });
  };
  for (let from = 0; from < requests.length && wrong.length === 0; from += AT_ONCE)
    await Promise.all(requests.slice(from, from + AT_ONCE).map(judge));
  expect(wrong).toEqual([]);
  // a run in which everything is refused at the door would show nothing
  expect(codes.get('none')).toBeGreaterThan(REQUESTS / 10);
  expect(gateway.log()).not.toContain('unexpected error');
});
