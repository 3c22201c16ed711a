import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newTestDatabase } from '../support/databases.ts';
import { clientOf } from '../support/gateway.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = await readFile(join(root, 'README.md'), 'utf8');

/** The first shell block below a heading. */
function commandsBelow(heading: string): string {
  const [, block = ''] = readme.slice(readme.indexOf(`\n## ${heading}\n`)).match(/```sh\n([\s\S]*?)```/) ?? [];
  expect(block).not.toBe('');
  return block;
}

/** Runs commands in the checkout, as its reader does, until one has printed this. */
async function runUntil(commands: string, env: Record<string, string>, until: RegExp): Promise<string> {
  const child: ChildProcess = spawn('bash', ['-ec', commands], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  // npx and the launcher are processes of their own: the whole group is ended
  onTestFinished(() => void process.kill(-(child.pid ?? 0), 'SIGKILL'));
  let output = '';
  await new Promise<void>((resolve) => {
    const look = (data: Buffer) => {
      output += String(data);
      if (until.test(output)) resolve();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('exit', () => resolve());
  });
  return output;
}

describe.each(['sqlite', 'postgres'] as const)('the README’s production recipe on %s', (kind) => {
  test('ends with a gateway to which its backend’s token is enough', async () => {
    const { url, remove } = await newTestDatabase(kind, false);
    onTestFinished(async () => void (await remove()));
    const home = await mkdtemp(join(tmpdir(), 'gateway-readme-'));
    onTestFinished(() => rm(home, { recursive: true, force: true }));

    const recipe = commandsBelow('Run it for real');
    expect(recipe).toMatch(/^export DATABASE_URL=\S+ KEY_FILE=\S+\n/);
    const commands = recipe.replace(/^export .*\n/, '');
    const env = { HOME: home, DATABASE_URL: url, KEY_FILE: join(home, 'keys/master.key'), PORT: '0' };
    const output = await runUntil(commands, env, /"url":"[^"]+"/);
    const [token = ''] = /dsg_\w+/.exec(output) ?? [];
    const gateway = clientOf(/"url":"([^"]+)"/.exec(output)?.[1] ?? output, token);

    const created = await gateway.send({
      query: `mutation { createDatastore(input: { name: "shop", config: { postgres: { host: "db.example", database: "shop", username: "u", password: "p" } } }) {
        __typename ... on CreateDatastoreSuccess { datastore { id environment { name } } } ... on UserError { code message } } }`,
    });
    expect(created.json.data).toMatchObject({
      createDatastore: { datastore: { environment: { name: 'production' } } },
    });
    const tested = await gateway.send({
      query: `mutation { startConnectionTest(input: { target: { draft: { config: { postgres: { host: "127.0.0.1", database: "shop", username: "u", password: "p" } } } } }) {
        __typename ... on UserError { code message issues { code path } } } }`,
    });
    expect(tested.json.data).toEqual({ startConnectionTest: { __typename: 'StartConnectionTestSuccess' } });
    const forbidden = await gateway.send({
      query: 'mutation { createEnvironment(input: { name: "more" }) { __typename } }',
    });
    expect(forbidden.text).toContain('FORBIDDEN');
  });
});
