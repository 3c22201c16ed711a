import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Database } from '../../src/platform/database/database.ts';
import { verifyJournal } from '../../src/platform/journal/journal.ts';
import { createKeyFile } from '../../src/platform/keys/key-file.ts';
import { fileSource } from '../../src/platform/keys/key-source.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { LocalDoorbell } from '../../src/platform/streams/doorbell.ts';
import { newTestDatabase } from '../support/databases.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';

const PROGRAM = fileURLToPath(new URL('../support/storing-process.ts', import.meta.url));
const WITHOUT_END = 1_000_000;

describe('a SQLite file that a thread writes', () => {
  const endings: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
  });

  let url: string;
  let keyFile: string;
  beforeEach(async () => {
    const made = await newTestDatabase('sqlite');
    endings.push(made.remove);
    url = made.url;
    keyFile = join(url.slice('sqlite:'.length), '../master.key');
    await createKeyFile(keyFile);
  });

  /** Starts a process that stores changes, and hands on what it prints. */
  const start = (most: number, onLine: (line: string, child: ChildProcess) => void, limit = 'unlimited') => {
    const command = `ulimit -f ${limit} && exec "$0" "$@"`;
    const child = spawn('sh', ['-c', command, process.execPath, PROGRAM, url, keyFile, String(most)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => onLine(line, child));
    return once(child, 'close') as Promise<[code: number | null, signal: string | null]>;
  };
  /** What is stored, once every chain was verified. */
  const storedKeys = async () => {
    const database = await Database.open({ url, doorbell: new LocalDoorbell() });
    const keyring = await Keyring.load(fileSource(keyFile));
    for (const chain of ['chain-0', 'chain-1', 'chain-2'])
      expect((await verifyJournal(database.query, keyring, chain)).brokenAt).toBeNull();
    const rows = await database.query.selectFrom('settings').select('key').where('key', 'like', 'k-%').execute();
    const entries = await database.query.selectFrom('journal').select('subject_id').execute();
    await database.close();
    const keys = rows.map(({ key }) => key).toSorted();
    expect(entries.map((entry) => entry.subject_id).toSorted()).toEqual(keys);
    return keys;
  };

  test('has every change that was answered, whenever its process is killed', async () => {
    const answered: string[] = [];
    let threads = 0;
    const ROUNDS = 8;
    for (let round = 0; round < ROUNDS; round += 1) {
      let mayCount = 150 + 37 * round;
      const [, signal] = await start(WITHOUT_END, (line, child) => {
        if (line === 'thread') threads += 1;
        else answered.push(line);
        mayCount -= 1;
        if (mayCount === 0) child.kill('SIGKILL');
      });
      expect(signal).toBe('SIGKILL');
      // what was answered in the last moment is there, and what was not may be
      const found = comparedWith(answered, await storedKeys());
      expect(found).toEqual({ lost: 0, doubled: 0 });
    }
    expect(threads).toBe(ROUNDS);
    recordFault({
      fault: 'sqlite: killed while a thread stores',
      times: ROUNDS,
      lost: 0,
      doubled: 0,
      recoveryMs: null,
    });
  });

  test('takes nothing that the disk has no room for, and says so', async () => {
    const lines: string[] = [];
    const [code] = await start(WITHOUT_END, (line) => lines.push(line), '12000');
    expect([code, lines.includes('thread')]).toEqual([0, true]);
    const refused = lines.filter((line) => line.startsWith('!'));
    expect(refused).toHaveLength(16);
    for (const line of refused) expect(line).toMatch(/^!SQLITE_(FULL|IOERR)/);
    expect(await storedKeys()).toEqual(lines.filter((line) => line.startsWith('k-')).toSorted());
  });

  test('is stored by a thread that keeps no process alive', async () => {
    const lines: string[] = [];
    const [code] = await start(300, (line) => lines.push(line));
    expect([code, lines.includes('thread'), lines.length]).toEqual([0, true, 301]);
    expect(await storedKeys()).toHaveLength(300);
  });
});
