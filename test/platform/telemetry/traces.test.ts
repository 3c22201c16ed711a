import { Writable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../../../src/platform/telemetry/logger.ts';
import { OtlpExporter } from '../../../src/platform/telemetry/otlp-exporter.ts';
import type { EndedSpan } from '../../../src/platform/telemetry/span.ts';
import { formatTraceparent, parseTraceparent } from '../../../src/platform/telemetry/trace-context.ts';
import { Tracer } from '../../../src/platform/telemetry/tracer.ts';
import { eventually } from '../../support/eventually.ts';
import { startOtlpReceiver } from '../../support/peers/otlp-receiver.ts';
import { closedPort } from '../../support/peers/tarpit.ts';

const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];

describe('a traceparent', () => {
  test.each([
    [`00-${traceId}-${spanId}-01`, true],
    [`00-${traceId}-${spanId}-00`, false],
    [`00-${traceId}-${spanId}-03`, true],
    [`cc-${traceId}-${spanId}-01-what-the-future-brings`, true],
  ])('is read: %s', (text, isSampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId, spanId, isSampled });
  });

  test.each([
    undefined,
    ['00'],
    '',
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-more`,
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${spanId}-01 `,
    `00-${traceId}-${spanId}-0x`,
  ])('is none: %j', (given) => {
    expect(parseTraceparent(given)).toBeUndefined();
  });

  test('is written as it is read', () => {
    for (const isSampled of [true, false]) {
      const context = { traceId, spanId, isSampled };
      expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
    }
  });
});

describe('a tracer', () => {
  const collect = (ratio: number) => {
    const spans: EndedSpan[] = [];
    const exporter = { add: (span: EndedSpan) => void spans.push(span), close: () => Promise.resolve() };
    return { spans, tracer: new Tracer({ exporter, ratio, clock: Date }) };
  };

  test('records as many of the traces that begin here as it is told, and all or nothing of each', () => {
    const { spans, tracer } = collect(0.25);
    const total = 4_000;
    for (let each = 0; each < total; each += 1) {
      const root = tracer.begin({ name: 'root' });
      tracer.begin({ name: 'part', parent: root.context }).end();
      root.end();
    }
    expect(spans.length / 2 / total).toBeCloseTo(0.25, 1);
    const roots = new Set(spans.filter(({ name }) => name === 'root').map(({ context }) => context.traceId));
    expect(spans.filter(({ name, context }) => name === 'part' && roots.has(context.traceId))).toHaveLength(roots.size);
    const asked = tracer.begin({ name: 'asked', parent: { traceId, spanId, isSampled: true } });
    asked.end();
    expect(spans.at(-1)).toMatchObject({ name: 'asked', parentSpanId: spanId, context: { traceId } });
  });

  test('ends a span once, and never before its start', () => {
    const { spans, tracer } = collect(1);
    const span = tracer.begin({ name: 'one', at: 2_000, attributes: { a: 1 } });
    span.end({ at: 1_000, attributes: { b: 2 }, error: 'FAULT' });
    span.end({ error: 'OTHER' });
    expect(spans).toMatchObject([{ start: 2_000, end: 2_000, attributes: { a: 1, b: 2 }, error: 'FAULT' }]);
  });

  test('goes by the clock that it is given, when that is set too', () => {
    let time = 1_000_000;
    const exporter = { add: () => undefined, close: () => Promise.resolve() };
    const tracer = new Tracer({ exporter, ratio: 1, clock: { now: () => time } });
    expect(tracer.now()).toBeCloseTo(1_000_000, -1);
    time = 5_000_000;
    expect(tracer.now()).toBeCloseTo(5_000_000, -1);
  });
});

describe('the exporter of traces', () => {
  const span = (name: string): EndedSpan => ({
    context: { traceId, spanId, isSampled: true },
    parentSpanId: undefined,
    ...{ name, kind: 'INTERNAL', start: 1_700_000_000_000.125, end: 1_700_000_000_001.5 },
    attributes: { text: 'a', whole: 5, part: 0.5 },
    error: undefined,
  });
  const start = async (url?: string) => {
    const receiver = await startOtlpReceiver();
    onTestFinished(() => receiver.close());
    let log = '';
    const destination = new Writable({
      write: (chunk, _encoding, done) => {
        log += chunk;
        done();
      },
    });
    const logger = createLogger({ level: 'info', destination });
    const headers = { authorization: 'Basic c2VjcmV0' };
    const resource = { 'service.name': 'a' };
    const exporter = new OtlpExporter({ url: url ?? receiver.url, headers, resource, logger, gatherMs: 5 });
    return { receiver, exporter, log: () => log };
  };

  test('writes times in nanoseconds, and values by their types', async () => {
    const { receiver, exporter } = await start();
    exporter.add(span('one'));
    await exporter.close();
    expect(receiver.spans).toEqual([
      {
        ...{ traceId, spanId, name: 'one', kind: 1 },
        startTimeUnixNano: '1700000000000125000',
        endTimeUnixNano: '1700000000001500000',
        attributes: { text: 'a', whole: 5, part: 0.5 },
        resource: { 'service.name': 'a' },
      },
    ]);
  });

  test('sends again what is refused for the moment, and once more when it stops', async () => {
    const { receiver, exporter, log } = await start();
    receiver.answer = { status: 429, headers: { 'retry-after': '0' } };
    exporter.add(span('one'));
    await eventually(() => receiver.requests.length > 2);
    expect(log().match(/traces are not taken/g)).toHaveLength(1);
    receiver.answer = { status: 200 };
    exporter.add(span('two'));
    await exporter.close();
    expect(receiver.spans.map(({ name }) => name).sort()).toEqual(['one', 'two']);
    expect(log()).toContain('"lost":0');
    expect(log()).not.toContain('c2VjcmV0');
  });

  test.each([
    [{ status: 400 }, '"status":400,"refused":1'],
    [{ status: 401 }, '"status":401,"refused":1'],
    [{ status: 200, body: '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"x"}}' }, '"status":200,"refused":1'],
  ])('says what is refused for good, and goes on: %j', async (answer, said) => {
    const { receiver, exporter, log } = await start();
    receiver.answer = answer;
    exporter.add(span('one'));
    await eventually(() => log().includes('traces are not taken'));
    receiver.answer = { status: 200 };
    exporter.add(span('two'));
    await exporter.close();
    expect(receiver.spans.at(-1)?.name).toBe('two');
    expect(receiver.requests).toHaveLength(2);
    expect(log()).toContain(said);
    expect(log()).toMatch(/"lost":1,.*traces are taken again/);
  });

  test('keeps 2,048 spans at most, and says how many are lost', async () => {
    const { exporter, log } = await start(`http://127.0.0.1:${await closedPort()}/v1/traces`);
    for (let each = 0; each < 2_050; each += 1) exporter.add(span('many'));
    await exporter.close();
    expect(log()).toContain('"lost":2050');
    expect(log()).toContain('ECONNREFUSED');
  });

  test('sends many in batches of 512', async () => {
    const { receiver, exporter } = await start();
    for (let each = 0; each < 1_100; each += 1) exporter.add(span('many'));
    await exporter.close();
    expect(receiver.spans).toHaveLength(1_100);
    expect(receiver.requests).toHaveLength(3);
  });
});
