import { expect, test } from 'vitest';
import type { ConnectionTest } from '../../src/modules/connection-tests/test.ts';
import { TestTrace } from '../../src/modules/connection-tests/test-trace.ts';
import type { EndedSpan } from '../../src/platform/telemetry/span.ts';
import { Tracer } from '../../src/platform/telemetry/tracer.ts';

const begin = () => {
  const spans: EndedSpan[] = [];
  const exporter = { add: (span: EndedSpan) => void spans.push(span), close: () => Promise.resolve() };
  const times = { createdAt: '2026-01-01T00:00:00.000Z', startedAt: '2026-01-01T00:00:00.250Z' };
  const lease = {
    test: { type: 'POSTGRES', purpose: 'REQUESTED', ...times } as ConnectionTest,
    attempt: 2,
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
  return { spans, trace: new TestTrace(new Tracer({ exporter, ratio: 1, clock: Date }), lease) };
};
const shown = (spans: readonly EndedSpan[]) => spans.map(({ name, error }) => [name, error]);

test('the wait of a test is as long as its row says', () => {
  const [queue] = begin().spans;
  expect(queue).toMatchObject({ name: 'queue', start: Date.UTC(2026, 0, 1), end: Date.UTC(2026, 0, 1) + 250 });
});

test('a check is as long as it says itself', () => {
  const { spans, trace } = begin();
  trace.run();
  trace.onCheck({ kind: 'started', name: 'postgres/endpoint/resolve' });
  const told = { status: 'PASSED', durationMs: 1_234.5, evidence: [], failure: null } as const;
  trace.onCheck({ kind: 'ended', name: 'postgres/endpoint/resolve', ...told });
  const check = spans.at(-1);
  expect((check?.end ?? 0) - (check?.start ?? 0)).toBeCloseTo(1_234.5, 3);
});

test('a child that is lost has its own span, and so has the next one', () => {
  const { spans, trace } = begin();
  trace.run();
  trace.onCheck({ kind: 'started', name: 'postgres/endpoint/resolve' });
  trace.onCheck({ kind: 'restarted' });
  trace.ran(null);
  trace.end({ status: 'PASSED', failure: null });
  trace.giveUp();
  expect(shown(spans)).toEqual([
    ['queue', undefined],
    ['postgres/endpoint/resolve', 'EXECUTOR_LOST'],
    ['executor', 'EXECUTOR_LOST'],
    ['executor', undefined],
    ['test POSTGRES', undefined],
  ]);
  expect(spans.at(-1)?.attributes['datastore_gateway.test.status']).toBe('PASSED');
});

test('a process that goes on with a test no more says so', () => {
  const { spans, trace } = begin();
  trace.run();
  trace.giveUp();
  expect(shown(spans)).toEqual([
    ['queue', undefined],
    ['executor', 'GIVEN_UP'],
    ['test POSTGRES', undefined],
  ]);
  expect(spans.at(-1)?.attributes).toMatchObject({
    'datastore_gateway.test.attempt': 2,
    'datastore_gateway.test.status': 'GIVEN_UP',
  });
});
