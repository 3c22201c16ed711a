/**
 * What a gateway costs as a whole, besides its requests: how long it takes to start and what it keeps in memory, S1 (a
 * thousand followers) and T1 (two hundred tests at once).
 */
import { buildGateway } from './gateway.ts';
import { median } from './median.ts';
import type { Seeded } from './seed.ts';
import { measureStarts } from './start.ts';
import { measureSubscribers } from './subscribers.ts';
import { measureTests } from './tests-at-once.ts';

const MOST_FIRST_ANSWER_MS = 600;
const MOST_IDLE_MIB = 110;
const MOST_OF_RAW_WS = 1.2;
const MOST_ON_TOP_MIB = 30;
const MOST_OF_BARE = 1.5;
const MOST_BESIDES_MS = 100;
const MOST_FIRST_TESTS_MS = 500;

/** A goal, as `--json` prints it. */
export interface Goal {
  readonly name: string;
  readonly measured: number;
  readonly goal: number;
  readonly met: boolean;
}

/** Measures all of it; what was measured has to be at most its goal. */
export async function measureService(folder: string, seeded: Seeded, rounds: number) {
  await buildGateway();
  const { firstAnswerMs, idleMib } = await measureStarts(folder, seeded, rounds);
  const { gatewayMs, rawMs, onTopMib } = await measureSubscribers(folder, seeded, rounds);
  const { tests, cold, besideStalled, first, bare } = await measureTests(folder, seeded, rounds);
  const mostOfBare = bare.map((ms) => MOST_OF_BARE * ms + MOST_BESIDES_MS);
  const goals: Goal[] = [
    atMost('first answer, ms', median(firstAnswerMs), MOST_FIRST_ANSWER_MS),
    atMost('idle memory, MiB', median(idleMib), MOST_IDLE_MIB),
    atMost('S1 to raw ws', median(gatewayMs.map((ms, round) => ms / (rawMs[round] ?? Number.NaN))), MOST_OF_RAW_WS),
    atMost('S1 memory on top, MiB', median(onTopMib), MOST_ON_TOP_MIB),
    atMost('T1 p99, ms', median(tests), median(mostOfBare)),
    atMost('T1 p99 beside 50 stalled, ms', median(besideStalled), median(mostOfBare)),
    atMost('T1 p99 of the first 20, ms', median(first), MOST_FIRST_TESTS_MS),
  ];
  const rows = [
    row('first answer of a new process', 'ms', firstAnswerMs),
    row('memory of one with nothing to do', 'MiB', idleMib),
    row('S1: 1,000 WebSockets × 10 events', 'ms', gatewayMs),
    row('S1: the same bytes by ws alone', 'ms', rawMs),
    row('S1: memory on top', 'MiB', onTopMib),
    row('T1: 200 tests at once, p99', 'ms', tests),
    row('T1: the 200 before them, p99', 'ms', cold),
    row('T1: 150 beside 50 that stall, p99', 'ms', besideStalled),
    row('T1: the same requests without a gateway, p99', 'ms', bare),
    row('T1: the first 20 of a new process, p99', 'ms', first),
  ];
  const table = ['| | median | spread |', '| --- | --- | --- |', ...rows, ''].join('\n');
  return { table, goals };
}

function atMost(name: string, exact: number, exactGoal: number): Goal {
  const [measured, goal] = [exact, exactGoal].map((number) => Number(number.toFixed(number < 10 ? 2 : 0)));
  return { name, measured: measured ?? exact, goal: goal ?? exactGoal, met: exact <= exactGoal };
}

function row(name: string, unit: string, numbers: readonly number[]): string {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  return `| ${name} | ${Math.round(median(numbers))} ${unit} | ${Math.round(least)} to ${Math.round(most)} |`;
}
