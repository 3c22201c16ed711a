import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leavesOf } from '../../src/connectors/kit/config/shape.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { openTextPaths } from '../support/canaries.ts';
import { endProcess } from '../support/peers/own-process.ts';

const PROGRAM = fileURLToPath(new URL('../support/hostile-texts.ts', import.meta.url));
/** A case takes some ten milliseconds. One whose scan is not linear takes minutes and more. */
const LONGEST_CASE_MS = 20_000;
const LONGEST_RUN_MS = 240_000;

/** What came of each case, by its name. */
const outcomes = new Map<string, readonly string[]>();
let child: ChildProcess;
let stuckIn: string | undefined;

beforeAll(async () => {
  child = spawn(process.execPath, [PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (!child.stdout) throw new Error('no output to read');
  let running = 'the start';
  const end = () => {
    stuckIn = running;
    child.kill('SIGKILL');
  };
  let watchdog = setTimeout(end, LONGEST_CASE_MS * 2);
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(watchdog);
    watchdog = setTimeout(end, LONGEST_CASE_MS);
    const told = JSON.parse(line) as { begins?: string; of?: string; outcome?: string[] };
    if (told.begins !== undefined) running = told.begins;
    if (told.of !== undefined) outcomes.set(told.of, told.outcome ?? []);
  }
  clearTimeout(watchdog);
}, LONGEST_RUN_MS);

afterAll(() => endProcess(child));

const of = (kind: string) => [...outcomes].filter(([name]) => name.startsWith(`${kind} `));

describe('texts that are made to be looked at again and again', () => {
  test('hold nothing up, whatever field they stand in and however they begin', () => {
    expect(stuckIn).toBeUndefined();
    expect(outcomes.has('cursors')).toBe(true);
    expect(of('field').length).toBeGreaterThan(1_000);
  });

  test('of 512 KiB are refused for their length alone, in every text of every config and patch', () => {
    const texts = connectors.flatMap((connector) => {
      const secrets = leavesOf(connector.config).filter(({ mark }) => mark.secret);
      return [...openTextPaths(connector), ...secrets.map(({ path }) => path)].map(
        (path) => `${connector.type} ${path}`,
      );
    });
    const found = of('config').map(([name]) => name.slice('config '.length));
    expect(found.toSorted()).toEqual(texts.toSorted());
    for (const [name, outcome] of of('config')) {
      const [, , path] = name.split(' ');
      // blanks alone are taken off before, and nothing is left
      expect({ name, outcome: outcome.filter((each) => each !== `${path} TOO_SHORT`) }).toEqual({
        name,
        outcome: [`${path} TOO_LONG`],
      });
    }
  });

  test('of 512 KiB are refused in every other argument, before a service is reached', () => {
    const reached = of('operation').filter(([, outcome]) => outcome.includes('REACHED'));
    // a cursor holds as many positions as there are environments: it is read in the services
    expect(reached.map(([name]) => name).filter((name) => !/ (after|before)$/.test(name))).toEqual([]);
    for (const [name, outcome] of of('operation').filter(([, each]) => !each.includes('REACHED'))) {
      const path = name.split(' ')[2];
      const codes = ['TOO_LONG', 'TOO_SHORT', 'INVALID_ID', 'INVALID_FORMAT'].map((code) => `${path} ${code}`);
      expect(codes).toEqual(expect.arrayContaining(outcome.map((each) => each.replace(/\.0(?=[. ])/g, ''))));
    }
    expect(of('operation').length).toBeGreaterThan(20);
  });

  test('by the hundred thousand in a list are refused with one issue', () => {
    expect(of('list').length).toBeGreaterThan(3);
    for (const [, outcome] of of('list'))
      expect(outcome).toEqual([expect.stringMatching(/^[\w.]+ (TOO_LONG|INVALID_ID)$/)]);
  });
});
