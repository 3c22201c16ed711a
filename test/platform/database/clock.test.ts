import { expect, test } from 'vitest';
import { DatabaseClock } from '../../../src/platform/database/clock.ts';

const THERE = Date.parse('2030-01-01T00:00:00.000Z');

/** A clock whose database answers after `tookMs`, with its time in the middle of that. */
async function scene() {
  const state = { here: 5_000, ahead: 0, tookMs: 0, isAway: false };
  const ask = async () => {
    if (state.isAway) throw new Error('away');
    state.here += state.tookMs / 2;
    const time = THERE + state.here + state.ahead;
    state.here += state.tookMs / 2;
    return time;
  };
  const clock = new DatabaseClock(ask, () => state.here);
  await clock.start();
  clock.stop();
  const error = () => clock.now() - (THERE + state.here + state.ahead);
  return { state, clock, error };
}

test('counts on from what the database has said, also while it is away', async () => {
  const { state, clock, error } = await scene();
  state.here += 60_000;
  expect(error()).toBe(0);
  state.isAway = true;
  await clock.measure();
  expect(error()).toBe(0);
  expect(clock.timestamp(1_500)).toBe(new Date(THERE + state.here + 1_500).toISOString());
});

test('a slow answer moves nothing that a quick one has told', async () => {
  const { state, clock, error } = await scene();
  Object.assign(state, { tookMs: 8_000 });
  // the answer is all of that way, so what it tells is four seconds old
  const late = state.ahead;
  state.ahead = -4_000;
  await clock.measure();
  state.ahead = late;
  expect(Math.abs(error())).toBe(0);
});

test('time goes back for nobody when a better answer comes', async () => {
  const { state, clock, error } = await scene();
  Object.assign(state, { here: 3_600_000 });
  // all of the second that the answer took was before the database read its clock
  Object.assign(state, { tookMs: 1_000, ahead: 500 });
  await clock.measure();
  const before = clock.now();
  Object.assign(state, { tookMs: 0, ahead: 0 });
  await clock.measure();
  expect(clock.now()).toBe(before);
  state.here += 1_000;
  expect(error()).toBe(0);
});

test('a clock that was set is followed, and so is one of a process that stood still', async () => {
  for (const step of [-300_000, 300_000, 3_600_000]) {
    const { state, clock, error } = await scene();
    Object.assign(state, { tookMs: 20, ahead: step });
    await clock.measure();
    expect(Math.abs(error())).toBeLessThanOrEqual(10);
  }
});

test('rejects when the database does not answer at the start, and is the machine’s own without one', async () => {
  await expect(new DatabaseClock(() => Promise.reject(new Error('away'))).start()).rejects.toThrow('away');
  const before = Date.now();
  expect(new DatabaseClock(null).now()).toBeGreaterThanOrEqual(before);
});
