import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runUntil } from '../support/commands.ts';
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
    const output = await runUntil(commands, { cwd: root, env }, /"url":"[^"]+"/);
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
