import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, describe, inject } from 'vitest';
import { Database, type JournalHead, openDoorbell } from '../../src/platform/database.ts';
import type { Doorbell } from '../../src/platform/doorbell.ts';
import { migrateToLatest } from '../../src/platform/migrate.ts';

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
        if (kind === 'sqlite' && migrated) await migrateToLatest(opened.database);
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
  const url = `${serverUrl}${TEMPLATE}`;
  const doorbell = await openDoorbell(url);
  const database = await Database.open({ url, doorbell });
  await migrateToLatest(database);
  await database.close();
  await doorbell.close();
  // whoever is connected to a database keeps it from being copied
  await administer(serverUrl, `alter database ${TEMPLATE} allow_connections false`);
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

/** A database that nobody else has, not open yet. SQLite's is migrated by whoever opens it. */
export function newTestDatabase(kind: Database['kind'], migrated = true): Promise<NewDatabase> {
  return kind === 'sqlite' ? newSqlite() : newPostgres(migrated);
}

async function newSqlite(): Promise<NewDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-sqlite-'));
  return {
    url: `sqlite:${join(directory, 'gateway.db')}`,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
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
