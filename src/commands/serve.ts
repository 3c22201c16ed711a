import { join } from 'node:path';
import { App, type AppOptions } from '../app.ts';
import type { Demo } from '../demo/demo.ts';
import type { Env } from '../env.ts';
import type { Logger } from '../platform/telemetry/logger.ts';
import { options, print } from './command.ts';
import { readNetwork } from './network.ts';
import { AS_ROOT, isRoot, requireKeyFile, runUntilSignal, warnOfRoot } from './run-until-signal.ts';
import { settings } from './settings.ts';

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
  const given = options(args, { 'no-tests': { type: 'boolean' }, network: { type: 'string' } });
  const { env, logger } = settings('serve', 'info');
  const takesTests = env.takesTests && given['no-tests'] !== true;
  requireKeyFile(env);
  warnOfRoot(logger);
  const app = await openApp({ ...env, takesTests, network: readNetwork(given.network) ?? env.network }, logger, false);
  await runUntilSignal(app, logger);
  logger.info({ url: app.url }, 'listening');
}

function openApp(env: Env, logger: Logger, bootstrap: boolean, example?: AppOptions['example']): Promise<App> {
  return App.open({ ...env, bootstrap, graphiql: 'on', example, logger });
}
