import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planChecks } from '../../src/connectors/kit/checks/run-checks.ts';
import { Failure } from '../../src/connectors/kit/contract/failure.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { foldEvents, unfoldEvents } from '../../src/modules/connection-tests/event-log.ts';
import {
  begunAnew,
  type CheckResult,
  ended,
  type StoredEvent,
  type TestSnapshot,
  unstarted,
  withCheck,
} from '../../src/modules/connection-tests/test.ts';

const createdAt = '2026-01-01T00:00:00.000Z';
const at = (ms: number) => new Date(Date.parse(createdAt) + ms).toISOString();

/** Writes a log as the runner does. */
class Log {
  readonly events: StoredEvent[] = [];
  snapshot: TestSnapshot;
  #ms = 0;

  constructor(names: readonly string[]) {
    this.snapshot = unstarted(
      names.map((name, place) => ({ id: `00000000-0000-4000-8000-00000000000${place}`, name })),
    );
    this.add(null, this.snapshot);
  }

  add(checkName: string | null, snapshot: TestSnapshot): void {
    this.snapshot = snapshot;
    this.#ms += 17;
    this.events.push({ sequence: this.events.length + 1, at: at(this.#ms), checkName, snapshot });
  }

  begin(): void {
    this.add(null, { ...this.snapshot, status: 'RUNNING', startedAt: at(this.#ms) });
  }

  run(place: number, result: Pick<CheckResult, 'status' | 'evidence' | 'failure'>): void {
    const check = this.snapshot.checks[place];
    if (!check) throw new Error('there is no such check');
    this.add(check.name, withCheck(this.snapshot, { ...check, status: 'RUNNING' }));
    this.add(check.name, withCheck(this.snapshot, { ...check, durationMs: 1.25 + place, ...result }));
  }

  end(status: 'PASSED' | 'FAILED' | 'CANCELLED', failure: CheckResult['failure']): void {
    this.add(null, ended(this.snapshot, status, failure, at(this.#ms + 1)));
  }
}

describe('the log of a test that has ended', () => {
  const refused = new Failure('PASSWORD_REFUSED', { configPath: 'password' }).report;
  const name = fc.string({ minLength: 1, maxLength: 9 });
  const results = fc.array(
    fc.record({
      status: fc.constantFrom('PASSED', 'WARNING', 'FAILED'),
      evidence: fc.array(fc.record({ name, value: fc.string() }), { maxLength: 3 }),
      failure: fc.constantFrom(null, refused),
    }),
    { maxLength: 6 },
  );

  test('gives the events that were folded, whatever has happened to it', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { minLength: 1, maxLength: 6 }),
        fc.array(results, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('PASSED' as const, 'FAILED' as const, 'CANCELLED' as const),
        (names, attempts, status) => {
          const log = new Log(names);
          for (const [attempt, checks] of attempts.entries()) {
            if (attempt > 0) log.add(null, begunAnew(log.snapshot));
            log.begin();
            for (const [place, result] of checks.slice(0, names.length).entries()) log.run(place, result);
          }
          log.end(status, status === 'PASSED' ? null : refused);
          const test = { ...log.snapshot, createdAt };
          const folded = foldEvents(log.events, test);
          expect(unfoldEvents(folded, test)).toEqual(log.events);
        },
      ),
    );
  });

  test('gives them too where numbers, checks or an end are missing', () => {
    const log = new Log(['one', 'two']);
    log.begin();
    log.run(0, { status: 'PASSED', evidence: [], failure: null });
    const events = log.events.filter(({ sequence }) => sequence !== 2);
    const others = log.snapshot.checks.map((check) => ({ ...check, id: 'another' }));
    for (const test of [log.snapshot, { ...log.snapshot, checks: others }, { ...log.snapshot, checks: [] }]) {
      const folded = foldEvents(events, { ...test, createdAt });
      expect(unfoldEvents(folded, { ...test, createdAt })).toEqual(events);
    }
    expect(unfoldEvents(foldEvents([], { ...log.snapshot, createdAt }), { ...log.snapshot, createdAt })).toEqual([]);
  });

  test.each(connectors.map((connector) => [connector.type, connector] as const))(
    'of %s takes a fraction of what the events do',
    (_type, connector) => {
      const plan = planChecks(connector, connector.config.parse(structuredClone(connector.example)), null, null);
      if (!('checks' in plan)) throw new Error('the example has no default checks');
      const log = new Log(plan.checks);
      log.begin();
      const evidence = ['serverVersion', 'protocol', 'user'].map((each) => ({ name: each, value: 'x'.repeat(30) }));
      for (const place of plan.checks.keys()) log.run(place, { status: 'PASSED', evidence, failure: null });
      log.end('PASSED', null);
      const folded = foldEvents(log.events, { ...log.snapshot, createdAt });
      // the row that it stands in has its overhead already
      expect(Buffer.byteLength(folded)).toBeLessThan(1_000);
    },
  );
});
