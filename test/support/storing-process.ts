import { writeSync } from 'node:fs';
import { Database, DatabaseUnavailableError } from '../../src/platform/database/database.ts';
import { fileSource } from '../../src/platform/keys/key-source.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { LocalDoorbell } from '../../src/platform/streams/doorbell.ts';
import { LinkedChanges } from './linked-changes.ts';

/*
 * A process that stores changes many at a time, for tests that kill it or fill its disk: `node storing-process.ts
 * DATABASE_URL KEY_FILE MOST`. It prints `thread` when a thread is started, and the key of each change once that is
 * stored; of one that is unavailable `!` and the database's code instead, after which its writer stops. When no writer
 * is left, or MOST changes are stored, it ends by itself, without closing anything.
 */
const [url, keyFile, most] = process.argv.slice(2);
if (!url || !keyFile || !most) throw new Error('Give a database URL, a key file and a number');

const tell = (line: string) => writeSync(1, `${line}\n`);
process.on('worker', () => tell('thread'));
const database = await Database.open({ url, doorbell: new LocalDoorbell() });
const changes = new LinkedChanges(database, await Keyring.load(fileSource(keyFile)));

let count = 0;
const write = async () => {
  while (count < Number(most)) {
    count += 1;
    const key = `k-${process.pid}-${count}`;
    try {
      await changes.insert(key, 'x'.repeat(500), `chain-${count % 3}`);
      tell(key);
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error;
      tell(`!${(error.cause as { code?: unknown }).code}`);
      break;
    }
  }
};
await Promise.all(Array.from({ length: 16 }, write));
