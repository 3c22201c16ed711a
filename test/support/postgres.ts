import { inject } from 'vitest';
import {
  type PostgresFiles,
  type PostgresOptions,
  type PostgresServer,
  startPostgres as start,
} from '../../src/demo/postgres-server.ts';

export { preparePostgres } from '../../src/demo/postgres-server.ts';
export type { PostgresOptions, PostgresServer };

declare module 'vitest' {
  export interface ProvidedContext {
    postgresFiles: PostgresFiles;
  }
}

/** Starts a server of its own, from the files that are prepared once for the whole run. */
export function startPostgres(
  options: PostgresOptions = {},
  files: PostgresFiles = inject('postgresFiles'),
): Promise<PostgresServer> {
  return start(options, files);
}
