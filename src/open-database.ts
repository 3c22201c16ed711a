import { existsSync } from 'node:fs';
import { access as accessFile } from 'node:fs/promises';
import {
  type AvailabilityChange,
  Database,
  type DatabaseOptions,
  DatabaseUnavailableError,
  openDoorbell,
  parseDatabaseUrl,
  shownDatabaseUrl,
} from './platform/database/database.ts';
import { isMigrated, migrateToLatest, vacuumOnce } from './platform/database/migrate.ts';
import { JournalHeadLog } from './platform/journal/heads.ts';
import { createKeyFile } from './platform/keys/key-file.ts';
import { type KeyPlace, keySourceOf } from './platform/keys/key-source.ts';
import { Keyring, verifyKeyring } from './platform/keys/keyring.ts';
import { SqliteHold } from './platform/sqlite/hold.ts';
import type { Doorbell } from './platform/streams/doorbell.ts';
import type { Logger } from './platform/telemetry/logger.ts';
import { keySetting, withSetting } from './setting-error.ts';

export interface OpenDatabaseOptions extends KeyPlace, Pick<DatabaseOptions, 'onPeer' | 'onStatement'> {
  readonly databaseUrl: string;
  /** True to make the key file where there is none, and to seal anew what an older version has sealed. */
  readonly bootstrap: boolean;
  /** True to make no tables where there are none, nor the file that is to hold them. */
  readonly mustExist?: boolean | undefined;
  /** True for a gateway: of those one at a time has a SQLite file. */
  readonly serves?: boolean;
  readonly logger: Logger;
}

/** A database whose tables are up to date, with the keys that are proved to be its own. */
export interface OpenedDatabase {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly keyring: Keyring;
  /** Left out but for a gateway on a SQLite file. */
  readonly hold?: SqliteHold | undefined;
  close(): Promise<void>;
}

/**
 * Opens the database and the keys, and brings the tables up to date.
 * @throws SettingError when one of them cannot be used, naming the variable that says where it is
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const { keyFile, keyCommand, databaseUrl } = options;
  const keyring = await withSetting(keySetting(options), async () => {
    if (options.bootstrap && keyCommand === undefined) await makeKeyFile(keyFile);
    return Keyring.load(keySourceOf(options));
  });
  const setting = { variable: 'DATABASE_URL', value: shownDatabaseUrl(databaseUrl) } as const;
  return withSetting(setting, () => openWith(options, keyring));
}

async function openWith(options: OpenDatabaseOptions, keyring: Keyring): Promise<OpenedDatabase> {
  const { databaseUrl: url, mustExist, onPeer, onStatement, logger } = options;
  if (mustExist && !hasFile(url)) throw noTables();
  const doorbell = await openDoorbell(url, onPeer);
  const heads = new JournalHeadLog(keyring, logger);
  const database = await Database.open({
    url,
    doorbell,
    onJournaled: (head) => heads.note(head),
    onAvailability: (change) => logAvailability(logger, change),
    onThreadEnd: (err) => logger.warn({ err }, 'the thread that stores changes has ended: another one takes its place'),
    ...(onPeer ? { onPeer } : {}),
    ...(onStatement ? { onStatement } : {}),
  }).catch(async (error: unknown) => {
    await doorbell.close();
    throw error;
  });
  let hold: SqliteHold | undefined;
  const close = async () => {
    hold?.release();
    await doorbell.close();
    await database.close();
    heads.flush();
  };
  try {
    if (mustExist && !(await isMigrated(database))) throw noTables();
    if (options.serves) hold = SqliteHold.take(url, (isThere) => logFile(logger, isThere));
    await verifyKeyring(database, keyring);
    await migrateToLatest(database, (newer) =>
      logger.warn({ newer }, 'a newer version has extended the tables: this one goes on, until it is replaced'),
    );
    await forgetDeleted(database, logger);
    await verifyKeyring(database, keyring);
    const endsOldForm = keyring.opensOldForm && options.bootstrap && options.keyCommand === undefined;
    const current = endsOldForm ? await withoutOldForm(options, database, keyring) : keyring;
    database.expectShortStatements();
    return { database, doorbell, keyring: current, hold, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** False where opening a SQLite database would make it. */
function hasFile(url: string): boolean {
  const place = parseDatabaseUrl(url);
  return place.kind !== 'sqlite' || place.path === ':memory:' || existsSync(place.path);
}

/** What is wrong with a mistyped place, or with a disk that is not mounted. */
function noTables(): Error {
  return Object.assign(new Error('The database has no tables'), { code: 'NO_TABLES' });
}

/** Logs one line when the database goes away and one when it is back, however many requests meet it in between. */
function logAvailability(logger: Logger, change: AvailabilityChange): void {
  if (change.available) logger.info({ awayMs: change.awayMs }, 'the database can be written again');
  else
    logger.error({ err: change.error }, 'the database cannot do its work: requests are answered UNAVAILABLE meanwhile');
}

function logFile(logger: Logger, isThere: boolean): void {
  if (isThere) logger.info('the database’s file is back');
  else
    logger.error(
      'the database’s file was removed or replaced: what is written now is lost with it. Restart the gateway',
    );
}

/** On one's own machine secrets that an older version has sealed are sealed anew. */
async function withoutOldForm(options: OpenDatabaseOptions, database: Database, keyring: Keyring): Promise<Keyring> {
  const { upgradeSeals } = await import('./upgrade.ts');
  await upgradeSeals({ database, keyring, keyFile: options.keyFile, logger: options.logger });
  return Keyring.load(keySourceOf(options));
}

/** Without the disk space that it takes, the gateway starts all the same. */
async function forgetDeleted(database: Database, logger: Logger): Promise<void> {
  try {
    await vacuumOnce(database);
  } catch (error) {
    if (!(error instanceof DatabaseUnavailableError)) throw error;
    logger.warn(
      { err: error.cause },
      'the database could not be vacuumed: what an older version deleted is still in it',
    );
  }
}

async function makeKeyFile(path: string): Promise<void> {
  try {
    await accessFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await createKeyFile(path);
  }
}
