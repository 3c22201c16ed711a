import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { buildChild } from './built-child.ts';
import { migrateSqliteTemplate, migrateTestTemplate } from './databases.ts';
import { preparePostgres, startPostgres } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The whole run's Postgres server, as `postgres://…/`, to be followed by a database's name. */
    postgresUrl: string;
  }
}

/**
 * One Postgres server for the whole run, with a migrated database in it that each test file's own is a copy of, the
 * same of SQLite, and the executor's child.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const files = await preparePostgres();
  const endings = [() => rm(files.folder, { recursive: true, force: true })];
  const end = async () => {
    for (const ending of endings.reverse()) await ending();
  };
  try {
    project.provide('sqliteTemplate', await migrateSqliteTemplate(files.folder));
    const { built, remove } = await buildChild();
    endings.push(remove);
    project.provide('builtChild', built);
    const server = await startPostgres({}, files);
    endings.push(() => server.stop());
    await migrateTestTemplate(server.databaseUrl(''));
    project.provide('postgresFiles', files);
    project.provide('postgresUrl', server.databaseUrl(''));
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}
