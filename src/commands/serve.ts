import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { App, type AppOptions } from '../app.ts';
import type { Demo } from '../demo/demo.ts';
import type { Env } from '../env.ts';
import type { Logger } from '../platform/logger.ts';
import { options, print } from './command.ts';
import { settings } from './settings.ts';

const AS_ROOT = 'The gateway runs as root, which it needs for nothing: give it a user of its own.';
/**
 * A second signal ends the process at once, unless it comes along with the first, as the terminal and npm send both.
 */
const SECOND_SIGNAL_MS = 1_000;

export async function start(args: readonly string[]): Promise<void> {
  const { demo: isDemo } = options(args, { demo: { type: 'boolean' } });
  const { env, logger } = settings('start', 'warn');
  if (!isDemo) return await startOn(env, logger);
  const { startDemo } = await import('../demo/demo.ts');
  const demo = await startDemo();
  try {
    const [databaseUrl, keyFile] = [`sqlite:${join(demo.folder, 'gateway.db')}`, join(demo.folder, 'master.key')];
    await startOn({ ...env, databaseUrl, keyFile, keyCommand: undefined }, logger, demo);
  } catch (error) {
    await demo.stop();
    throw error;
  }
}

async function startOn(env: Env, logger: Logger, demo?: Demo): Promise<void> {
  // what everybody does once is tried first
  const example = demo && { ...demo, password: demo.password.slice(0, -1) };
  const app = await openApp(env, logger, true, example);
  await runUntilSignal(app, logger, () => demo?.stop());
  if (isRoot()) print(`\n  ${AS_ROOT}\n`);
  print(`\n  Datastore Gateway is running. This link opens GraphiQL, signed in:\n\n  ${app.issueSignInLink()}\n\n`);
  const { stdin } = process;
  print(`  It is good once, for five minutes.${stdin.isTTY ? ' Enter prints another one,' : ''} Ctrl-C stops.\n\n`);
  if (demo) print(demoText(demo));
  if (stdin.isTTY) stdin.on('data', () => print(`  ${app.issueSignInLink()}\n`));
}

function demoText({ host, port, database, username, readerName, password }: Demo): string {
  return `  The demo's Postgres: ${host}:${port}, database ${database}, users ${username} and ${readerName}, password ${password}
  The tab RegisterDatastore has it, with a mistyped password: run it, see which check refuses, mend the password in the
  variables, and run it again. Everything is gone when this stops.

`;
}

export async function serve(args: readonly string[]): Promise<void> {
  options(args, {});
  const { env, logger } = settings('serve', 'info');
  if (env.keyCommand === undefined && !existsSync(env.keyFile)) {
    const command = `KEY_FILE=${env.keyFile} datastore-gateway key create`;
    throw new Error(
      `There is no key file at ${env.keyFile}. "${command}" makes one; keep a copy of it in a safe place.`,
    );
  }
  if (isRoot()) logger.warn(AS_ROOT);
  const app = await openApp(env, logger, false);
  await runUntilSignal(app, logger);
  logger.info({ url: app.url }, 'listening');
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function openApp(env: Env, logger: Logger, bootstrap: boolean, example?: AppOptions['example']): Promise<App> {
  return App.open({ ...env, bootstrap, graphiql: 'on', example, logger });
}

/** Listens. The first SIGTERM or SIGINT drains and ends the process with 0; a later one ends it at once. */
async function runUntilSignal(app: App, logger: Logger, afterwards?: () => unknown): Promise<void> {
  let stoppedAt: number | undefined;
  const stop = () => {
    if (stoppedAt === undefined) {
      stoppedAt = performance.now();
      app
        .close()
        .then(afterwards)
        .then(
          () => process.exit(0),
          (error: unknown) => fail(error),
        );
    } else if (performance.now() - stoppedAt > SECOND_SIGNAL_MS) {
      process.exit(1);
    }
  };
  const fail = (error: unknown) => {
    logger.fatal({ err: error }, 'the gateway failed');
    process.exit(1);
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  process.on('uncaughtException', fail).on('unhandledRejection', fail);
  await app.listen().catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
}
