import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Place, runUntil, shellBlocks } from '../support/commands.ts';
import { newTestDatabase } from '../support/databases.ts';
import { describePeer } from '../support/peers/installed.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DONE = /every command has ended well/;

describePeer('the commands of the documentation', { programs: ['sqlite3'], packages: ['sqlite3'] }, () => {
  let place: Place;

  beforeAll(async () => {
    const home = await mkdtemp(join(tmpdir(), 'gateway-docs-'));
    await mkdir(join(home, 'node_modules/.bin'), { recursive: true });
    await symlink(join(ROOT, 'bin/datastore-gateway.js'), join(home, 'node_modules/.bin/datastore-gateway'));
    place = { cwd: home, env: { HOME: home, PORT: '0' } };
  });

  afterAll(() => rm(place.cwd, { recursive: true, force: true }));

  const blocksOf = async (page: string) => shellBlocks(await readFile(join(ROOT, 'docs', page), 'utf8'));
  /** Runs commands to their end, and gives what they print. */
  const run = async (...commands: readonly string[]) => {
    const output = await runUntil([...commands, 'echo every command has ended well'].join('\n'), place, DONE);
    expect(output).toMatch(DONE);
    return output;
  };

  test('deploy: a gateway that serves, with a token for its backend', async () => {
    const [block = ''] = await blocksOf('deploy.md');
    expect(block).toMatch(/^export DATABASE_URL=\S+ KEY_FILE=\S+\n[\s\S]*serve\n$/);
    const commands = block.replace(/^export .*\n/, '');
    const output = await runUntil(commands, place, /"url":"[^"]+"/);
    expect(output).toMatch(/dsg_\w+[\s\S]*"url":"http/);
  });

  test('workers: a gateway that leaves the tests to others, and who takes them', async () => {
    const { url, remove } = await newTestDatabase('postgres');
    onTestFinished(async () => void (await remove()));
    const [, block = ''] = await blocksOf('deploy.md');
    const env = { ...place.env, DATABASE_URL: url };
    const started = [];
    for (const command of block.trim().split('\n'))
      started.push(await runUntil(command, { ...place, env }, /"url":"http|taking connection tests/));
    expect(started).toEqual([
      expect.stringContaining('"url":"http'),
      expect.stringContaining('"network":null,"msg":"taking connection tests"'),
      expect.stringContaining('"network":"vpc-a","msg":"taking connection tests"'),
    ]);
  });

  test('workers without the database: a gateway on SQLite, and a worker with a token that asks it', async () => {
    const [, , block = ''] = await blocksOf('deploy.md');
    const served = await runUntil('npx datastore-gateway serve --no-tests', place, /"url":"[^"]+"/);
    const url = /"url":"([^"]+)"/.exec(served)?.[1] ?? '';
    // the block begins with the token, for the environment that the first one has made
    const output = await runUntil(block.replace('http://127.0.0.1:4000', url), place, /taking connection tests/);
    expect(output).toContain('"network":"vpc-a","msg":"taking connection tests"');
  });

  test('tokens: made, listed and revoked', async () => {
    const [, , , , block = ''] = await blocksOf('deploy.md');
    const output = await run(block);
    expect(output).toMatch(/dsg_\w+\n[\s\S]*\treports\tDATASTORES_READ\tstaging[\s\S]*reports .* was revoked/);
  });

  test('back up and restore: what came later is gone, and the keys open what is there', async () => {
    const [backUp = '', restore = ''] = await blocksOf('back-up-and-restore.md');
    await run(backUp, 'npx datastore-gateway environment create --name later');
    expect(await run('npx datastore-gateway environment list')).toContain('later');
    expect(await run(restore)).toMatch(/The tables are up to date\.\n\w+\tactive\twraps [1-9]/);
    const environments = await run('npx datastore-gateway environment list');
    expect(environments).toContain('production');
    expect(environments).not.toContain('later');
  });

  test('upgrade: each step may be run again', async () => {
    const blocks = await blocksOf('upgrade.md');
    expect(blocks).toHaveLength(2);
    expect(await run(...blocks, ...blocks)).toContain('The tables are up to date.');
  });
});
