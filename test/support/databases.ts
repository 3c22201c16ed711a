import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, describe, inject } from 'vitest';
import { Database, type JournalHead, openDoorbell } from '../../src/platform/database/database.ts';
import { migrateToLatest } from '../../src/platform/database/migrate.ts';
import type { Doorbell } from '../../src/platform/streams/doorbell.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A SQLite file with all tables and nothing in it. */
    sqliteTemplate: string;
  }
}

const TEMPLATE = 'gateway_template';

/** A database of a test's own, as one process has it open. */
export interface TestDatabase {
  readonly kind: Database['kind'];
  readonly url: string;
  readonly database: Database;
  readonly doorbell: Doorbell;
  /** Every statement so far, but those that begin and end transactions. Set its length to 0 to count from there. */
  readonly statements: string[];
  /** The ends of the journal's chains so far, as they were told when they were stored. */
  readonly journaled: JournalHead[];
  /** The same database as another process would open it. */
  openAgain(): Promise<TestDatabase>;
}

/** A fresh database; `migrated: false` is an empty one. It is closed when the suite ends. */
export type OpenTestDatabase = (options?: { readonly migrated?: boolean }) => Promise<TestDatabase>;

/** The suite twice: on SQLite in a file, and on a real Postgres. */
export function describeEachDatabase(
  name: string,
  suite: (open: OpenTestDatabase, kind: Database['kind']) => void,
): void {
  for (const kind of ['sqlite', 'postgres'] as const) {
    describe(`${name} on ${kind === 'sqlite' ? 'SQLite' : 'Postgres'}`, () => {
      const endings: (() => Promise<unknown>)[] = [];
      afterAll(async () => {
        for (const ending of endings.reverse()) await ending();
      });
      const open: OpenTestDatabase = async ({ migrated = true } = {}) => {
        const { url, remove } = await newTestDatabase(kind, migrated);
        endings.push(remove);
        const opened = await connect(url, endings);
        opened.statements.length = 0;
        return opened;
      };
      suite(open, kind);
    });
  }
}

/** Makes the database that Postgres copies for each test; `serverUrl` ends with a slash. */
export async function migrateTestTemplate(serverUrl: string): Promise<void> {
  await administer(serverUrl, `create database ${TEMPLATE}`);
  await migrate(`${serverUrl}${TEMPLATE}`);
  // whoever is connected to a database keeps it from being copied
  await administer(serverUrl, `alter database ${TEMPLATE} allow_connections false`);
}

/** Makes the file that SQLite's tests copy: its migrations cost more than most tests. */
export async function migrateSqliteTemplate(folder: string): Promise<string> {
  const file = join(folder, 'template.db');
  await migrate(`sqlite:${file}`);
  return file;
}

async function migrate(url: string): Promise<void> {
  const doorbell = await openDoorbell(url);
  const database = await Database.open({ url, doorbell });
  await migrateToLatest(database);
  await database.close();
  await doorbell.close();
}

async function connect(url: string, endings: (() => Promise<unknown>)[]): Promise<TestDatabase> {
  const statements: string[] = [];
  const journaled: JournalHead[] = [];
  const doorbell = await openDoorbell(url);
  endings.push(() => doorbell.close());
  const database = await Database.open({
    url,
    doorbell,
    onStatement: (sql) => statements.push(sql),
    onJournaled: (head) => journaled.push(head),
  });
  endings.push(() => database.close());
  return {
    kind: database.kind,
    url,
    database,
    doorbell,
    statements,
    journaled,
    openAgain: () => connect(url, endings),
  };
}

export interface NewDatabase {
  readonly url: string;
  readonly remove: () => Promise<unknown>;
}

/** A database that nobody else has, not open yet; `migrated: false` is an empty one. */
export function newTestDatabase(kind: Database['kind'], migrated = true): Promise<NewDatabase> {
  return kind === 'sqlite' ? newSqlite(migrated) : newPostgres(migrated);
}

async function newSqlite(migrated: boolean): Promise<NewDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-sqlite-'));
  const file = join(directory, 'gateway.db');
  if (migrated) await copySqliteTemplate(file);
  return {
    url: `sqlite:${file}`,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Puts a migrated database where no file is yet. */
export async function copySqliteTemplate(file: string): Promise<void> {
  try {
    await copyFile(inject('sqliteTemplate'), file, constants.COPYFILE_EXCL);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function newPostgres(migrated: boolean): Promise<NewDatabase> {
  const serverUrl = inject('postgresUrl');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(serverUrl, `create database ${name}${migrated ? ` template ${TEMPLATE}` : ''}`);
  return { url: `${serverUrl}${name}`, remove: () => administer(serverUrl, `drop database ${name} with (force)`) };
}

async function administer(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: `${serverUrl}postgres` });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
