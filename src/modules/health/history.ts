/** How far back a history reaches. */
export const healthWindows = ['DAY', 'WEEK', 'MONTH'] as const;
export type HealthWindow = (typeof healthWindows)[number];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WINDOW_MS = { DAY: DAY_MS, WEEK: 7 * DAY_MS, MONTH: 30 * DAY_MS } as const satisfies Record<HealthWindow, number>;
/** For how long hours are kept: a day more than the longest window. */
export const HOURS_KEPT_MS = 31 * DAY_MS;

/** How often each duration came, in milliseconds of two significant digits: small, however many checks there are. */
export type DurationCounts = Readonly<Record<string, number>>;

/** How long the tests that passed took, and each check that passed. */
export interface Durations {
  readonly test: DurationCounts;
  readonly checks: Readonly<Record<string, DurationCounts>>;
}

/** What the checks of a datastore found that ended in one hour. */
export interface HealthHour {
  /** ISO 8601: when it begins. */
  readonly hour: string;
  readonly checks: number;
  readonly passed: number;
  /** For how long the results stood, but for the last one. */
  readonly upMs: number;
  readonly downMs: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** Until when the last result stands where no other comes. */
  readonly lastUntil: string;
  readonly lastPassed: boolean;
  readonly durations: Durations;
}

/** What one check of a datastore's health came to. */
export interface HealthRecord {
  readonly at: Date;
  /** When the next check comes at about: the result stands until then, or until another one is there. */
  readonly until: Date;
  readonly passed: boolean;
  /** How long the test took, in milliseconds; null where nobody knows. */
  readonly durationMs: number | null;
  /** How long the checks that passed took. */
  readonly checks: readonly { readonly name: string; readonly durationMs: number }[];
}

/** How a datastore was in a window of time. */
export interface HealthHistory {
  readonly window: HealthWindow;
  /** ISO 8601: the beginning of the hour in which the window begins. */
  readonly from: string;
  readonly checkCount: number;
  readonly passedCount: number;
  /** From 0 to 1; null where no check was made. */
  readonly uptime: number | null;
  readonly medianDurationMs: number | null;
  readonly checks: readonly CheckHistory[];
}

export interface CheckHistory {
  readonly name: string;
  /** How often it passed. */
  readonly passedCount: number;
  readonly medianDurationMs: number;
}

/** The beginning of the hour of an instant that is given in milliseconds since 1970. */
function hourOf(at: number): string {
  return new Date(Math.floor(at / HOUR_MS) * HOUR_MS).toISOString();
}

/** The hour in which a window begins that ends at an instant, given in milliseconds since 1970. */
export function beginningOf(window: HealthWindow, now: number): string {
  return hourOf(now - WINDOW_MS[window]);
}

/** The hour of a check, in which there was none before. */
export function hourWith({ at, until, passed, durationMs, checks }: HealthRecord): HealthHour {
  return {
    hour: hourOf(at.getTime()),
    checks: 1,
    passed: Number(passed),
    upMs: 0,
    downMs: 0,
    firstAt: at.toISOString(),
    lastAt: at.toISOString(),
    lastUntil: until.toISOString(),
    lastPassed: passed,
    durations: {
      test: passed && durationMs !== null ? counted({}, durationMs) : {},
      checks: Object.fromEntries(checks.map((check) => [check.name, counted({}, check.durationMs)])),
    },
  };
}

/** An hour with one more check, which is later than all that it has. */
export function withCheck(before: HealthHour, record: HealthRecord): HealthHour {
  const one = hourWith(record);
  const stood = stoodFor(before, record.at.getTime());
  return {
    ...one,
    checks: before.checks + 1,
    passed: before.passed + one.passed,
    upMs: before.upMs + (before.lastPassed ? stood : 0),
    downMs: before.downMs + (before.lastPassed ? 0 : stood),
    firstAt: before.firstAt,
    durations: merged([before.durations, one.durations]),
  };
}

/** Tells what these hours of a datastore, in their order, come to. `now` is in milliseconds since 1970. */
export function historyOf(hours: readonly HealthHour[], window: HealthWindow, now: number): HealthHistory {
  let [upMs, downMs, checkCount, passedCount] = [0, 0, 0, 0];
  for (const [index, hour] of hours.entries()) {
    const next = hours[index + 1];
    const stood = stoodFor(hour, next ? Date.parse(next.firstAt) : now);
    upMs += hour.upMs + (hour.lastPassed ? stood : 0);
    downMs += hour.downMs + (hour.lastPassed ? 0 : stood);
    checkCount += hour.checks;
    passedCount += hour.passed;
  }
  const durations = merged(hours.map((hour) => hour.durations));
  const known = upMs + downMs;
  return {
    window,
    from: beginningOf(window, now),
    checkCount,
    passedCount,
    uptime: known > 0 ? upMs / known : null,
    medianDurationMs: medianOf(durations.test),
    checks: Object.entries(durations.checks).flatMap(([name, counts]) => {
      const medianDurationMs = medianOf(counts);
      return medianDurationMs === null ? [] : [{ name, passedCount: sumOf(counts), medianDurationMs }];
    }),
  };
}

/** For how many milliseconds the last result of an hour stood, when the next one came then. */
function stoodFor({ lastAt, lastUntil }: HealthHour, next: number): number {
  return Math.max(0, Math.min(next, Date.parse(lastUntil)) - Date.parse(lastAt));
}

function counted(counts: DurationCounts, durationMs: number): DurationCounts {
  const key = String(Number(durationMs.toPrecision(2)));
  return { ...counts, [key]: (counts[key] ?? 0) + 1 };
}

function merged(all: readonly Durations[]): Durations {
  const test: Record<string, number> = {};
  const checks: Record<string, Record<string, number>> = {};
  for (const durations of all) {
    addTo(test, durations.test);
    for (const [name, counts] of Object.entries(durations.checks)) {
      checks[name] ??= {};
      addTo(checks[name], counts);
    }
  }
  return { test, checks };
}

function addTo(sums: Record<string, number>, counts: DurationCounts): void {
  for (const [duration, count] of Object.entries(counts)) sums[duration] = (sums[duration] ?? 0) + count;
}

function sumOf(counts: DurationCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** The middle one, the lower one of two; null where there is none. */
function medianOf(counts: DurationCounts): number | null {
  const middle = (sumOf(counts) + 1) / 2;
  let seen = 0;
  const sorted = Object.entries(counts).map(([duration, count]) => [Number(duration), count] as const);
  for (const [duration, count] of sorted.toSorted(([one], [other]) => one - other)) {
    seen += count;
    if (seen >= Math.floor(middle)) return duration;
  }
  return null;
}
