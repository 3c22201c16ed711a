import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { findBundledNode, isRecentEnough } from '../../bin/node-version.js';
import { readKeyFile, replaceKeyFile, withFreshKey } from '../../src/platform/keys/key-file.ts';
import { ageKeyFile } from '../support/keys.ts';

const launcher = fileURLToPath(new URL('../../bin/datastore-gateway.js', import.meta.url));
const execute = promisify(execFile);

interface Ended {
  readonly code: number | string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'gateway-main-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
/** Nothing of the test's own environment goes along, but where Node keeps what it has compiled. */
const environment = (more: Record<string, string> = {}) => ({ PATH, NODE_COMPILE_CACHE, ...more });

async function run(
  args: string[],
  options: { cwd?: string; env?: Record<string, string>; node?: string; script?: string } = {},
): Promise<Ended> {
  const { cwd = await folder(), env, node = process.execPath, script = launcher } = options;
  try {
    const { stdout, stderr } = await execute(node, [script, ...args], { cwd, env: environment(env) });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

/** Starts a gateway and waits for the text that says that it listens. */
async function launch(
  args: string[],
  options: { cwd: string; env?: Record<string, string>; node?: string; until: RegExp },
) {
  const child: ChildProcess = spawn(options.node ?? process.execPath, [launcher, ...args], {
    cwd: options.cwd,
    env: environment({ PORT: '0', ...options.env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const found = await new Promise<RegExpExecArray | null>((resolve) => {
    const look = (data: Buffer) => {
      output += String(data);
      const match = options.until.exec(output);
      if (match) resolve(match);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    void ended.then(() => resolve(null));
  });
  return { child, found, ended, output: () => output };
}

describe('the command line', () => {
  test('says what there is', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of [
      'start',
      'serve',
      'migrate',
      'key create',
      'key upgrade',
      'environment create',
      'environment list',
      'environment clone',
      'export',
      'plan',
      'apply',
      'import',
      'token create',
      'token list',
      'token revoke',
      'audit verify',
      'audit export',
    ])
      expect(stdout).toContain(command);
  });

  test.each([
    [['token', 'create', '--help'], '--expires-in'],
    [['help', 'token', 'create'], '--expires-in'],
    [['serve', '--network', 'a', '--help'], '--no-tests'],
  ])('says of one command what it takes: %j', async (args, option) => {
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    expect(stdout).toContain(option);
    expect(stdout).toContain('"datastore-gateway --help" tells of every command and variable.');
    expect(stdout).not.toContain('key create');
  });

  test('says its version', async () => {
    const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  test.each([
    [[], 'Say which command.', 'Usage: datastore-gateway <command>'],
    [['--fast'], 'Say which command.', '--help'],
    [['begin'], 'There is no command "begin".', '--help'],
    [['key'], 'There is no command "key", but there are key create, key list,', '--help'],
    [['token', 'make', '--name', 'a'], 'There is no command "token make", but there are token create,', '--help'],
    [['start', 'now'], "Unexpected argument 'now'", '--demo'],
    [['start', '--fast'], "Unknown option '--fast'", '--demo'],
    [['token', 'create'], 'Give --name NAME.', '--expires-in'],
    [['token', 'create', '--name', ''], '--name: It must not be empty.', '--expires-in'],
    [['records', 'export', '--datastore', 'orders'], '--datastore takes the id', '--format'],
    [['import', 'file.yaml'], '--from takes one of grafana', '--out FILE'],
    [['plan', '--frob', '-f', 'file.yaml'], "Unknown option '--frob'", '--prune'],
  ])('%j cannot be understood: that is said first, then what is said of that command', async (args, said, usage) => {
    const { code, stdout, stderr } = await run(args);
    // 2 says of a plan that something would change
    expect(code).toBe(args[0] === 'plan' ? 1 : 2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(`datastore-gateway: ${said}`);
    expect(stderr).toContain(usage);
    // what is wrong is to be seen without scrolling back
    if (args.length > 0) expect(stderr.split('\n').length).toBeLessThan(24);
  });

  test.each([
    ['plan', '-f'],
    ['apply', '-f'],
    ['import', '--from', 'grafana'],
  ])('%s %s: a file that cannot be read is named, with the reason', async (...args) => {
    const cwd = await folder();
    for (const [file, reason] of [
      ['nothing.yaml', 'nothing.yaml: There is no such file (ENOENT).'],
      [cwd, `${cwd}: A folder is there, no file (EISDIR).`],
    ] as const)
      expect(await run([...args, file], { cwd })).toEqual({
        code: 1,
        stdout: '',
        stderr: `datastore-gateway: ${reason}\n`,
      });
  });

  test('no command takes a database that is not there for an empty one, but those that make something in it', async () => {
    const cwd = await folder();
    await run(['key', 'create'], { cwd });
    const keyFile = join(cwd, 'data/master.key');
    const keys = await readFile(keyFile, 'utf8');
    await writeFile(join(cwd, 'manifest.yaml'), 'manifest: 1\nenvironment: production\n');
    for (const args of [
      ['audit', 'verify'],
      ['audit', 'export'],
      ['token', 'list'],
      ['token', 'revoke', '--name', 'a'],
      ['environment', 'list'],
      ['environment', 'clone', '--from', 'a', '--to', 'b'],
      ['key', 'list'],
      // of an empty database nothing is under any key: one that wraps everything elsewhere would be let go
      ['key', 'rotate'],
      ['key', 'forget', '--id', 'k0'],
      ['export', '--environment', 'production'],
      ['plan', '-f', 'manifest.yaml'],
      ['apply', '-f', 'manifest.yaml'],
      ['records', 'export', '--datastore', randomUUID()],
    ]) {
      const { code, stdout, stderr } = await run(args, { cwd });
      expect(stderr, args.join(' ')).toContain('"datastore-gateway migrate" first. (NO_TABLES)');
      expect([code, stdout]).toEqual([1, '']);
    }
    expect(await readdir(join(cwd, 'data'))).toEqual(['master.key']);
    expect(await readFile(keyFile, 'utf8')).toBe(keys);
    expect(await run(['environment', 'create', '--name', 'production'], { cwd })).toMatchObject({ code: 0 });
    expect(await run(['audit', 'verify'], { cwd })).toMatchObject({ code: 0 });
  });

  test('"serve" without a key file says how to make one, and makes nothing', async () => {
    const cwd = await folder();
    const { code, stderr } = await run(['serve'], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain('datastore-gateway key create');
    expect(existsSync(join(cwd, 'data'))).toBe(false);
  });

  test.each([
    [
      ['worker'],
      {},
      1,
      /^datastore-gateway: DATABASE_URL=sqlite:\S+: A worker shares the database .* postgres:\/\/ URL/,
    ],
    [['worker', '--network', 'vpc a'], {}, 2, /--network must be 1 to 63 letters/],
    [['worker', '--token', 'dsg_x'], {}, 2, /--token goes with --gateway/],
    [['worker', '--gateway', 'ftp://gateway.example'], {}, 2, /--gateway takes the URL of a gateway/],
    [['worker', '--gateway', 'https://gateway.example'], {}, 1, /GATEWAY_TOKEN is not set/],
    [
      ['worker', '--gateway', 'http://127.0.0.1:9'],
      { GATEWAY_TOKEN: 'dsg_x' },
      1,
      /The gateway cannot be asked just now[\s\S]*http:\/\/127\.0\.0\.1:9 does not answer/,
    ],
  ])('%j with %j on SQLite ends with %i, makes nothing and says what to do', async (args, env, ends, said) => {
    const cwd = await folder();
    const { code, stderr } = await run(args, { cwd, env });
    expect(stderr).toMatch(said);
    expect(code).toBe(ends);
    expect(existsSync(join(cwd, 'data'))).toBe(false);
  });

  test('settings that cannot be used end it, all named', async () => {
    const { code, stderr } = await run(['serve'], { env: { PORT: 'x', BOOTSTRAP_TOKEN: 'hunter2' } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/PORT must be[\s\S]*BOOTSTRAP_TOKEN must be/);
    expect(stderr).not.toContain('hunter2');
  });

  test('key rotate, list and forget, while a gateway runs; with KEY_COMMAND too', async () => {
    const cwd = await folder();
    await run(['key', 'create'], { cwd });
    const bootstrap = 'a-bootstrap-token-of-more-than-32-characters';
    const gateway = await launch(['serve'], {
      cwd,
      env: { BOOTSTRAP_TOKEN: bootstrap, EGRESS_ALLOW: '127.0.0.1' },
      until: /"url":"([^"]+)"/,
    });
    const ask = async (query: string): Promise<unknown> => {
      const headers = { authorization: `Bearer ${bootstrap}`, 'content-type': 'application/json' };
      const body = JSON.stringify({ query });
      return (await fetch(`${gateway.found?.[1]}/graphql`, { method: 'POST', headers, body })).json();
    };
    const make = (name: string, environmentId = randomUUID()) =>
      ask(
        `mutation { createEnvironment(input: { id: "${environmentId}", name: "${name}" }) { ... on CreateEnvironmentSuccess { environment { name } } } }`,
      );
    const environmentId = randomUUID();
    expect(await make('before', environmentId)).toEqual({
      data: { createEnvironment: { environment: { name: 'before' } } },
    });
    const config = '{ postgres: { host: "127.0.0.1", port: 1, username: "u", password: "p", database: "d" } }';
    const saved = await ask(
      `mutation { createDatastore(input: { environmentId: "${environmentId}", config: ${config} }) { ... on CreateDatastoreSuccess { datastore { version } } } }`,
    );
    expect(saved).toEqual({ data: { createDatastore: { datastore: { version: 1 } } } });
    const rotated = await run(['key', 'rotate'], { cwd });
    expect(rotated.stdout).toMatch(
      /^Added (k[0-9a-f]{8})\.\nNew data keys: 1 of 1\nKeys wrapped anew: 1 of 1\nOld data keys deleted: 1 of 1\nEverything is wrapped by \1, under new data keys\./,
    );
    const [, added = ''] = /^Added (k\w+)/.exec(rotated.stdout) ?? [];
    expect(await make('after')).toEqual({ data: { createEnvironment: { environment: { name: 'after' } } } });
    const { stdout: listed } = await run(['key', 'list'], { cwd });
    const [, former = ''] = /^k\w+\tactive\twraps 3\n(k\w+)\tformer\twraps 0\n$/.exec(listed) ?? [];
    expect(listed.startsWith(added)).toBe(true);
    expect((await run(['key', 'forget', '--id', added], { cwd })).stderr).toContain(`The key ${added} still wraps 3`);
    expect((await run(['key', 'forget', '--id', former], { cwd })).stdout).toContain(`Forgot ${former}.`);
    expect((await run(['key', 'forget', '--id', former], { cwd })).stderr).toContain(`There is no key ${former}`);
    expect((await run(['key', 'forget'], { cwd })).code).toBe(2);
    const entries = (await run(['audit', 'export'], { cwd })).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(entries.filter(({ subjectType }) => subjectType === 'key')).toMatchObject([
      { action: 'key.rotate', actor: 'command line', subjectId: added },
      { action: 'key.forget', actor: 'command line', subjectId: former },
    ]);
    const env = { KEY_COMMAND: `cat ${join(cwd, 'data/master.key')}` };
    expect((await run(['key', 'list'], { cwd, env })).stdout).toBe(`${added}\tactive\twraps 3\n`);
    expect((await run(['key', 'rotate'], { cwd, env })).stderr).toContain('KEY_COMMAND fetches the keys');
    const printed = JSON.parse((await run(['key', 'rotate', '--print'], { cwd, env })).stdout);
    expect(Object.keys(printed.keys)).toEqual([added, printed.activeKeyId]);
    const failing = await run(['serve'], { cwd, env: { KEY_COMMAND: 'false hunter2' } });
    expect(failing.code).toBe(1);
    expect(failing.stderr).toContain('KEY_COMMAND=false: The key command false ended with 1');
    expect(failing.stderr).not.toContain('hunter2');
    // one that was killed before it had wrapped anything goes on at the next start
    const keyFile = join(cwd, 'data/master.key');
    await replaceKeyFile(keyFile, withFreshKey(await readKeyFile(keyFile)));
    const second = await run(['serve'], { cwd });
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('Another gateway serves this file') });
    gateway.child.kill('SIGKILL');
    await gateway.ended;
    await launch(['serve'], { cwd, until: /the rotation of the keys is over/ });
    expect((await run(['key', 'list'], { cwd })).stdout).toMatch(
      new RegExp(`^(k\\w+)\tactive\twraps 3\n${added}\tformer\twraps 0\n$`),
    );
  });

  test('key create, migrate, token create, serve', async () => {
    const cwd = await folder();
    expect((await run(['key', 'create'], { cwd })).code).toBe(0);
    expect((await stat(join(cwd, 'data/master.key'))).mode & 0o777).toBe(0o600);
    const again = await run(['key', 'create'], { cwd });
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('never overwritten');
    const unexpected = await run(['serve'], { cwd });
    expect(unexpected).toMatchObject({ code: 1, stderr: expect.stringContaining('No gateway has a database there') });
    expect(existsSync(join(cwd, 'data/gateway.db'))).toBe(false);
    expect((await run(['migrate'], { cwd })).stdout).toContain('Migrated: 001-initial');
    expect((await run(['migrate'], { cwd })).stdout).toBe('The tables are up to date.\n');

    const keyFile = join(cwd, 'data/master.key');
    await ageKeyFile(keyFile);
    const upgraded = await run(['key', 'upgrade'], { cwd });
    expect(upgraded.stdout).toContain('Sealed the secrets of 0 datastores anew');
    expect(await readFile(keyFile, 'utf8')).toContain('"version": 2');
    expect((await run(['key', 'upgrade'], { cwd })).stdout).toContain('is up to date');

    expect((await run(['key', 'list'], { cwd })).stdout).toMatch(/^k[0-9a-f]{8}\tactive\twraps 1\n$/);

    const create = ['token', 'create', '--name', 'ci', '--scopes', 'DATASTORES_READ,ENVIRONMENTS_WRITE'];
    expect((await run([...create, '--environment', 'nowhere'], { cwd })).stderr).toContain(
      'There is no environment "nowhere": "environment list" prints those that there are',
    );
    const { stdout: id } = await run(['environment', 'create', '--name', 'production'], { cwd });
    expect(id).toMatch(/^[0-9a-f-]{36}\n$/);
    expect((await run(['environment', 'create', '--name', 'production'], { cwd })).stderr).toContain('has this name');
    expect((await run(['environment', 'create', '--name', 'ä'], { cwd })).stderr).toContain('--name must be 1 to 63');
    expect((await run(['environment', 'list'], { cwd })).stdout).toBe(`${id.trim()}  production\n`);
    expect((await run([...create, '--environment', 'a', '--all-environments'], { cwd })).code).toBe(2);
    expect((await run([...create, '--all-environments', '--expires-in', '90 days'], { cwd })).code).toBe(2);
    const { stdout } = await run([...create, '--all-environments', '--expires-in', '90d'], { cwd });
    expect(stdout).toMatch(/^dsg_\w+\n$/);
    expect((await run([...create, '--all-environments'], { cwd })).stderr).toContain('exists already');

    const short = ['token', 'create', '--name', 'short', '--scopes', 'AUDIT_READ', '--environment', 'production'];
    expect((await run(short, { cwd })).code).toBe(0);
    const revoked = await run(['token', 'revoke', '--name', 'short'], { cwd });
    expect(revoked.stdout).toMatch(/^short \(dsg_\w{6}…\) was revoked at 20\d\d-.+Z\.\n$/);
    const missing = await run(['token', 'revoke', '--id', '00000000-0000-4000-8000-000000000000'], { cwd });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('There is no token of this id: "token list" prints those that there are');
    expect((await run(['token', 'revoke', '--id', 'x'], { cwd })).stderr).toContain('--id takes the id of a token');
    const listed = (await run(['token', 'list'], { cwd })).stdout.trimEnd().split('\n');
    expect(listed.map((line) => line.split('\t').slice(1, -1).join('|'))).toEqual([
      expect.stringMatching(/^dsg_\w{6}\|short\|AUDIT_READ\|production\|used never$/),
      expect.stringMatching(/^dsg_\w{6}\|ci\|DATASTORES_READ,ENVIRONMENTS_WRITE\|all environments\|used never$/),
    ]);
    expect(listed.map((line) => line.split('\t').at(-1)?.split(' ')[0])).toEqual(['revoked', 'until']);
    expect(listed.join('')).not.toContain(stdout.trim());

    const { child, found, ended, output } = await launch(['serve'], {
      cwd,
      env: { BOOTSTRAP_TOKEN: 'b'.repeat(32) },
      until: /"url":"([^"]+)"/,
    });
    const page = await fetch(`${found?.[1]}/graphql`, { headers: { accept: 'text/html' } });
    expect(`${output()}${await page.text()}`).not.toMatch(/Press Enter|Enter prints|Open the link|This link/);
    const answer = await fetch(`${found?.[1]}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stdout.trim()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ viewer { token { name scopes expiresAt } } }' }),
    });
    const { data } = (await answer.json()) as {
      data: { viewer: { token: { name: string; scopes: string[]; expiresAt: string } } };
    };
    expect(data.viewer.token).toMatchObject({ name: 'ci', scopes: ['DATASTORES_READ', 'ENVIRONMENTS_WRITE'] });
    const days = (Date.parse(data.viewer.token.expiresAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(89.9);
    expect(days).toBeLessThanOrEqual(90);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);

    await writeFile(join(cwd, 'gateway.log'), output());
    const verify = ['audit', 'verify', '--log', 'gateway.log'];
    const whole = await run(verify, { cwd });
    expect(whole.stdout).toMatch(/^the gateway itself: \d+ entries are as they were written\.$/m);
    expect(whole.stdout).toMatch(/^gateway\.log: 1 ends of chains were looked for\.$/m);
    const lines = (await run(['audit', 'export'], { cwd })).stdout.trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as { sequence: number; action: string; environmentId: null });
    expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, at) => at + 1));
    expect(entries.at(-1)).toMatchObject({ action: 'token.create', actor: 'bootstrap', environmentId: null });
    const last = entries.length;
    const file = new Sqlite(join(cwd, 'data/gateway.db'));
    file.prepare('delete from journal where sequence = ?').run(last);
    file
      .prepare('update journal_heads set sequence = ?, mac = (select mac from journal where sequence = ?)')
      .run(last - 1, last - 1);
    file.close();
    const cut = await run(verify, { cwd });
    expect(cut.code).toBe(1);
    expect(cut.stderr).toContain(`the gateway itself: entry ${last}, of which gateway.log tells, is not there.`);
  });
});

describe('start', () => {
  test('on a machine that has nothing: makes what is missing, prints one link, which signs in once', async () => {
    const cwd = await folder();
    const { child, found, ended, output } = await launch(['start'], {
      cwd,
      until: /(http:\/\/127\.0\.0\.1:\d+)\/graphql#code=([\w-]+)\n[\s\S]*stops/,
    });
    const [, origin, code] = found ?? [];
    const exchange = () =>
      fetch(`${origin}/graphiql/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ code }),
      });
    const session = (await (await exchange()).json()) as { token: string };
    expect((await exchange()).status).toBe(401);
    const answer = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${session.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ environments { nodes { name } } }' }),
    });
    expect(await answer.json()).toEqual({ data: { environments: { nodes: [{ name: 'default' }] } } });
    for (const file of ['master.key', 'gateway.db'])
      expect((await stat(join(cwd, 'data', file))).mode & 0o777).toBe(0o600);
    // the inspector stays closed, whoever asks for it
    child.kill('SIGUSR1');
    expect((await fetch(`${origin}/livez`)).status).toBe(200);
    expect(output()).not.toContain('Debugger');
    expect(output().includes('runs as root')).toBe(process.getuid?.() === 0);
    expect(output().match(/http:/g)).toHaveLength(1);
    expect(output()).not.toContain('"level"');
    child.kill('SIGINT');
    expect(await ended).toBe(0);
  });

  test('a port that is taken is said so', async () => {
    const cwd = await folder();
    const { found, child, ended } = await launch(['start'], { cwd, until: /127\.0\.0\.1:(\d+)/ });
    const { code, stderr } = await run(['start'], { env: { PORT: found?.[1] ?? '' } });
    expect(code).toBe(1);
    expect(stderr).toContain(`PORT=${found?.[1]}: The port is taken. Set PORT to another one.`);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});

describe('the version of Node', () => {
  test.each([
    ['24.0.0', true],
    ['22.19.0', true],
    ['22.18.0', false],
    ['21.9.0', false],
    ['20.20.2', false],
    ['14.0.0', false],
    ['100.0.0', true],
  ])('%s', (version, isEnough) => expect(isRecentEnough(version)).toBe(isEnough));

  test('what comes along is found for this machine, and for no unknown one', () => {
    const found = findBundledNode(import.meta.url, process.platform, process.arch);
    expect(found && existsSync(found)).toBe(true);
    expect(findBundledNode(import.meta.url, 'plan9', 'x64')).toBeUndefined();
  });

  describe('an older one', () => {
    let old: string | undefined;

    beforeAll(async () => {
      const folders = (process.env.PATH ?? '').split(delimiter).filter((path) => !path.includes('node_modules'));
      for (const node of folders.map((path) => join(path, 'node')).filter((path) => existsSync(path))) {
        const { stdout } = await execute(node, ['--version']);
        if (!isRecentEnough(stdout.trim().slice(1))) old ??= node;
      }
    });

    // where there is no older Node, the table above is all that can be asked
    test('hands over to the one that came along: arguments, output, code and signals', async () => {
      if (!old) return expect(isRecentEnough(process.versions.node)).toBe(true);
      expect((await run(['--version'], { node: old })).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
      expect((await run(['begin'], { node: old })).code).toBe(2);
      const { child, ended } = await launch(['start'], {
        cwd: await folder(),
        node: old,
        env: { NODE_ENV: 'production' },
        until: /#code=/,
      });
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    });

    test('says what to do where none came along', async () => {
      if (!old) return expect(isRecentEnough('20.0.0')).toBe(false);
      const cwd = await folder();
      await mkdir(join(cwd, 'bin'));
      await cp(fileURLToPath(new URL('../../bin', import.meta.url)), join(cwd, 'bin'), { recursive: true });
      await cp(fileURLToPath(new URL('../../package.json', import.meta.url)), join(cwd, 'package.json'));
      const { code, stderr } = await run(['start'], { node: old, cwd, script: join(cwd, 'bin/datastore-gateway.js') });
      expect(code).toBe(1);
      expect(stderr).toContain('It needs Node.js 22.19 or newer');
      expect(stderr).not.toContain('at ');
    });
  });

  test('a package without anything to run says so', async () => {
    const cwd = await folder();
    await cp(fileURLToPath(new URL('../../bin', import.meta.url)), join(cwd, 'bin'), { recursive: true });
    await cp(fileURLToPath(new URL('../../package.json', import.meta.url)), join(cwd, 'package.json'));
    const { code, stderr } = await run(['start'], { cwd, script: join(cwd, 'bin/datastore-gateway.js') });
    expect(code).toBe(1);
    expect(stderr).toContain('is missing: install the package again');
  });
});
