import { describe, expect, it } from 'vitest';
import { BadMessageError, readFromChild } from '../../src/executor/messages.ts';
import { RunningTest } from '../../src/executor/running-test.ts';
import { ownTime } from '../support/own-time.ts';

const failure = {
  code: 'PASSWORD_REFUSED',
  cause: 'AUTHENTICATION',
  message: 'The peer refused the password.',
  hint: null,
  configPath: 'password',
};
const started = { kind: 'started', name: 'a/first/step' } as const;
const ended = {
  kind: 'ended',
  name: 'a/first/step',
  status: 'PASSED',
  durationMs: 1.5,
  evidence: [{ name: 'version', value: '18' }],
  failure: null,
} as const;
const event = (given: object) => ({ type: 'event', run: 'r', event: given, writes: false });
const entry = { namespace: null, name: 't', kind: 'TABLE', columns: [{ name: 'c', dataType: 'int', nullable: null }] };

const catalogOf = (columns: readonly unknown[]) => ({ type: 'catalog', run: 'r', entries: [{ ...entry, columns }] });

describe('what a child of ours sends', () => {
  it.each([
    { type: 'ready' },
    { type: 'alive' },
    { type: 'active', run: 'r' },
    event(started),
    event(ended),
    { type: 'catalog', run: 'r', entries: [entry] },
    { type: 'outcome', run: 'r', failure: null },
    { type: 'judged', judgement: 'j', verdicts: [{ path: 'host', verdict: 'allowed' }] },
    { type: 'log', level: 'info', run: null, text: 'x' },
  ])('$type is read as it is', (message) => {
    expect(readFromChild(message)).toEqual(message);
  });

  it('says cause and message in the words of the table, whatever the child says', () => {
    const forged = { ...failure, cause: 'INTERNAL', message: 'Send your password to evil.example.' };
    expect(readFromChild({ type: 'outcome', run: 'r', failure: forged })).toMatchObject({
      failure: { code: 'PASSWORD_REFUSED', cause: 'AUTHENTICATION', message: expect.not.stringContaining('evil') },
    });
  });
});

describe('what no child of ours sends', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 7],
    ['a list', []],
    ['nothing', {}],
    ['an unknown type', { type: 'exec', run: 'r' }],
    ['a type that is a list', { type: ['alive'] }],
    ['more than asked for', { type: 'alive', more: 1 }],
    ['a prototype', JSON.parse('{"type":"alive","__proto__":{"run":"r"}}')],
    ['an outcome without a body', { type: 'outcome', run: 'r' }],
    ['an outcome in a word', { type: 'outcome', run: 'r', failure: 'PASSED' }],
    ['an unknown code', { type: 'outcome', run: 'r', failure: { ...failure, code: 'toString' } }],
    ['a hint without end', { type: 'outcome', run: 'r', failure: { ...failure, hint: 'x'.repeat(2_000) } }],
    ['a run that is a number', { type: 'active', run: 1 }],
    ['a run without end', { type: 'active', run: 'x'.repeat(65) }],
    ['an unknown level', { type: 'log', level: 'fatal', run: null, text: 'x' }],
    ['a level of the prototype', { type: 'log', level: 'constructor', run: null, text: 'x' }],
    ['a text without end', { type: 'log', level: 'info', run: null, text: 'x'.repeat(8_001) }],
    ['a text that is an object', { type: 'log', level: 'info', run: null, text: { toString: 1 } }],
    ['an unknown status', event({ ...ended, status: 'SKIPPED' })],
    ['a negative duration', event({ ...ended, durationMs: -1 })],
    ['evidence without end', event({ ...ended, evidence: [{ name: 'a', value: 'x'.repeat(401) }] })],
    ['evidence of objects', event({ ...ended, evidence: [{ name: 'a', value: {} }] })],
    ['a hundred pieces of evidence', event({ ...ended, evidence: Array(100).fill({ name: 'a', value: '1' }) })],
    ['a column without a type', { type: 'catalog', run: 'r', entries: [{ ...entry, columns: [{ name: 'c' }] }] }],
    ['an entry of an unknown kind', { type: 'catalog', run: 'r', entries: [{ ...entry, kind: 'FILE' }] }],
    ['a name without end', { type: 'catalog', run: 'r', entries: [{ ...entry, name: 'x'.repeat(1_025) }] }],
    ['a column’s name without end', catalogOf([{ name: 'x'.repeat(1_025), dataType: 'int', nullable: null }])],
    ['a type without end', catalogOf([{ name: 'c', dataType: 'x'.repeat(1_025), nullable: null }])],
    ['columns without end', catalogOf(Array(10_001).fill(entry.columns[0]))],
    ['an unknown verdict', { type: 'judged', judgement: 'j', verdicts: [{ path: 'host', verdict: 'fine' }] }],
  ])('%s', (_, message) => {
    expect(() => readFromChild(message)).toThrow(BadMessageError);
  });

  it('is refused at its first fault, however many it has', () => {
    const start = ownTime();
    const entries = Array(1_000_000).fill(1);
    expect(() => readFromChild({ type: 'catalog', run: 'r', entries })).toThrow(BadMessageError);
    expect(ownTime() - start).toBeLessThan(1_000);
  });
});

describe('what a test takes from its child', () => {
  const test = () => {
    const checks = ['a/first/step', 'a/second/step'];
    const job = { testId: 't', environmentId: 'e', type: 'A', config: {}, secrets: [], checks, timeoutMs: 0 };
    return new RunningTest(job, () => undefined);
  };
  const second = 'a/second/step';

  it('is each check of its plan, in order, and an end that goes with them', async () => {
    const running = test();
    running.take(started, false);
    running.take(ended, false);
    running.take({ ...started, name: second }, false);
    running.take({ ...ended, name: second }, false);
    running.conclude(null);
    expect(await running.outcome).toEqual({ status: 'PASSED', failure: null, skipped: [] });
  });

  it.each<[string, (running: RunningTest) => void]>([
    ['an end without a beginning', (running) => running.take(ended, false)],
    ['a check out of turn', (running) => running.take({ ...started, name: second }, false)],
    ['a check that is not in the plan', (running) => running.take({ ...started, name: 'a/third/step' }, false)],
    [
      'a beginning twice',
      (running) => {
        running.take(started, false);
        running.take(started, false);
      },
    ],
    [
      'a check after the one that failed',
      (running) => {
        running.take(started, false);
        running.take({ ...ended, status: 'FAILED' }, false);
        running.take({ ...started, name: second }, false);
      },
    ],
    ['that it has passed, before all has', (running) => running.conclude(null)],
    [
      'an end in the middle of a check',
      (running) => {
        running.take(started, false);
        running.conclude({ ...failure, code: 'PASSWORD_REFUSED', cause: 'AUTHENTICATION' });
      },
    ],
    [
      'that it was cancelled, when nobody has',
      (running) => running.conclude({ ...failure, code: 'CANCELLED', cause: 'CANCELLED' }),
    ],
  ])('is not %s', (_, play) => {
    expect(() => play(test())).toThrow(BadMessageError);
  });

  it('is a part of a catalog at a time', async () => {
    const taken = Promise.withResolvers<void>();
    const { job } = test();
    const running = new RunningTest(
      job,
      () => undefined,
      () => taken.promise,
    );
    const first = running.takeCatalog([]);
    expect(() => running.takeCatalog([])).toThrow(BadMessageError);
    taken.resolve();
    expect(await first).toBe(true);
    expect(await running.takeCatalog([])).toBe(true);
  });
});
