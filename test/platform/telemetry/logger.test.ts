import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { createLogger } from '../../../src/platform/telemetry/logger.ts';

function capture() {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, callback) {
      lines.push(String(chunk));
      callback();
    },
  });
  return { logger: createLogger({ level: 'info', destination }), lines };
}

it('writes one JSON object a line, from its level on', () => {
  const { logger, lines } = capture();
  logger.debug('not this');
  logger.info({ port: 4000, at: new Date(0), tokenId: 't1' }, 'listening');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^\{.*\}\n$/);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 30,
    msg: 'listening',
    port: 4000,
    at: '1970-01-01T00:00:00.000Z',
    tokenId: 't1',
  });
});

const CANARY = 'canary-hunter2';

it.each([
  { password: CANARY },
  { token: CANARY },
  { headers: { authorization: `Bearer ${CANARY}`, Cookie: CANARY } },
  { request: { variables: { input: { label: CANARY } } } },
  { a: { b: { c: [{ secretAccessKey: CANARY, config: { host: CANARY } }] } } },
  { configSecret: CANARY, secrets: [CANARY], clientKey: CANARY, private_key: CANARY, passphrase: CANARY },
  { store: new Map([['bytes', Buffer.from(CANARY)]]) },
  { err: Object.assign(new Error('failed'), { client: { options: CANARY }, detail: `Key (name)=(${CANARY})` }) },
  { err: new Error('failed', { cause: Object.assign(new Error('below'), { parameters: [CANARY] }) }) },
])('blots out what stands under a telling name: %#', (fields) => {
  const { logger, lines } = capture();
  logger.error(fields, 'something');
  logger.child(fields).info('child');
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toContain(CANARY);
  expect(lines.join('')).not.toContain(Buffer.from(CANARY).toString('base64'));
});

it('keeps of an error what helps to find it', () => {
  const { logger, lines } = capture();
  const cause = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
  logger.error({ err: new TypeError('it broke', { cause }) }, 'oh');
  logger.error(new Error('bare'));
  const [first, second] = lines.map((line) => JSON.parse(line));
  expect(first.err).toMatchObject({ type: 'TypeError', message: 'it broke', cause: { code: 'ECONNREFUSED' } });
  expect(first.err.stack).toContain('logger.test.ts');
  expect(second.err.message).toBe('bare');
});

it('survives what refers to itself', () => {
  const { logger, lines } = capture();
  const circle: Record<string, unknown> = { name: 'round' };
  circle.self = circle;
  logger.info({ circle, big: 10n }, 'circle');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ circle: { name: 'round' }, big: '10' });
});
