import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { newTestDatabase } from '../support/databases.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { CreateEnvironment } from '../support/operations.ts';

const launcher = fileURLToPath(new URL('../../bin/datastore-gateway.js', import.meta.url));
const execute = promisify(execFile);
const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
const A_MINUTE_MS = 60_000;
const LONGEST_MS = 4 * A_MINUTE_MS;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(file: string, args: readonly string[], cwd: string, env: Record<string, string>): Promise<Ended> {
  try {
    const options = { cwd, env: { PATH, NODE_COMPILE_CACHE, HOME: cwd, ...env }, timeout: LONGEST_MS };
    return { code: 0, ...(await execute(file, args, options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}
const command = (args: readonly string[], cwd: string, env: Record<string, string>) =>
  run(process.execPath, [launcher, ...args], cwd, env);

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'gateway-manifests-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** What a CI job runs: each environment has a file, and is applied when its plan says that something would change. */
const SCRIPT = `
set -u
git clone --quiet "$REPOSITORY" checkout
for file in checkout/*.yaml; do
  "$NODE" "$LAUNCHER" plan -f "$file" --prune --gateway "$GATEWAY"
  case $? in
    0) echo "$(basename "$file"): as it is" ;;
    2) "$NODE" "$LAUNCHER" apply -f "$file" --prune --gateway "$GATEWAY" > applied.txt || exit 1
       echo "$(basename "$file"): applied" ;;
    *) exit 1 ;;
  esac
done
rm -rf checkout
`;

const manifest = (environment: string, more = '') => `manifest: 1
environment: ${environment}
datastores:
  orders:
    ownerName: payments
    config:
      postgres:
        host: 127.0.0.1
        port: 1
        username: reader
        password: \${env:${environment.toUpperCase()}_PASSWORD}
        database: ${environment}
        tls: {mode: DISABLE}
${more}`;

describe('the commands over manifests', () => {
  let gateway: TestGateway;
  const names = ['dev', 'staging', 'production'];

  beforeAll(async () => {
    gateway = await startGateway();
    for (const name of names) await gateway.run(CreateEnvironment, { input: { name } });
    return () => gateway.close();
  });

  test(
    'a script in CI plans and applies a Git repository with three environments, with a token alone',
    async () => {
      const cwd = await folder();
      const repository = join(cwd, 'repository');
      await mkdir(repository);
      const git = async (...args: string[]) => {
        const who = ['-c', 'user.name=CI', '-c', 'user.email=ci@example.test'];
        const { code, stderr } = await run('git', [...who, ...args], repository, {});
        expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
      };
      const put = async (name: string, text: string) => writeFile(join(repository, `${name}.yaml`), text);
      await git('init', '--quiet');
      for (const name of names) await put(name, manifest(name));
      await git('add', '.');
      await git('commit', '--quiet', '-m', 'Three environments');
      const token = await gateway.createToken('ci', ['DATASTORES_READ', 'DATASTORES_WRITE']);
      const secrets = Object.fromEntries(names.map((name) => [`${name.toUpperCase()}_PASSWORD`, `secret of ${name}`]));
      const env = {
        ...{ REPOSITORY: repository, NODE: process.execPath, LAUNCHER: launcher },
        ...{ GATEWAY: gateway.url, GATEWAY_TOKEN: token, ...secrets },
      };
      const ci = () => run('bash', ['-c', SCRIPT], cwd, env);
      const outcomes = ({ stdout }: Ended) => stdout.split('\n').filter((line) => line.includes('.yaml: '));

      const first = await ci();
      expect({ ...first, stdout: outcomes(first) }).toEqual({
        code: 0,
        stderr: '',
        stdout: names.toSorted().map((name) => `${name}.yaml: applied`),
      });
      expect(first.stdout).toContain('+ datastore orders');

      await put(
        'staging',
        manifest('staging', '    description: changed\n').replace('ownerName: payments', 'ownerName: Ann'),
      );
      await git('commit', '--quiet', '-am', 'Another owner');
      const second = await ci();
      expect(outcomes(second)).toEqual(['dev.yaml: as it is', 'production.yaml: as it is', 'staging.yaml: applied']);
      expect(second.stdout).toContain('    ownerName: "payments" → "Ann"');
      for (const { stdout, stderr } of [first, second]) expect(stdout + stderr).not.toContain('secret of');
    },
    LONGEST_MS,
  );

  test(
    'a manifest that is wrong is told by file, line and path, and nothing is done',
    async () => {
      const cwd = await folder();
      await writeFile(join(cwd, 'wrong.yaml'), manifest('dev').replace('port: 1', 'prot: 1'));
      const token = await gateway.createToken('wrong', ['DATASTORES_READ']);
      const env = { GATEWAY_TOKEN: token };
      const { code, stderr } = await command(['plan', '-f', 'wrong.yaml', '--gateway', gateway.url], cwd, env);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^datastore-gateway: wrong\.yaml:9:9: datastores\.orders\.config\.postgres: There is no such/,
      );
      const usage = await command(['plan'], cwd, env);
      expect([usage.code, usage.stderr.split('\n')[0]]).toEqual([1, 'datastore-gateway: Give -f FILE.']);
    },
    LONGEST_MS,
  );
});

test(
  'the commands work on the database itself, with secrets of files, and judge addresses as a gateway does',
  async () => {
    const cwd = await folder();
    const place = await newTestDatabase('postgres');
    onTestFinished(async () => void (await place.remove()));
    const gateway = await startGateway({ databaseUrl: place.url, folder: cwd });
    await gateway.run(CreateEnvironment, { input: { name: 'dev' } });
    await gateway.run(CreateEnvironment, { input: { name: 'copy' } });
    await gateway.close();
    const env = { DATABASE_URL: place.url, KEY_FILE: join(cwd, 'master.key'), EGRESS_ALLOW: '127.0.0.0/8' };
    // it is looked for beside the manifest, and not where the command runs
    await mkdir(join(cwd, 'environments'));
    await writeFile(join(cwd, 'environments', 'password'), 'secret of a file\n');
    const text = manifest('dev').replace('env:DEV_PASSWORD', 'file:password');
    await writeFile(join(cwd, 'environments', 'dev.yaml'), text);
    const args = ['-f', 'environments/dev.yaml', '--json'];

    const refused = await command(['apply', ...args], cwd, { ...env, EGRESS_ALLOW: '' });
    expect(refused.stderr).toContain('environments/dev.yaml:8:9: datastores.orders.config.postgres.host: ');
    expect(JSON.parse((await command(['apply', ...args], cwd, env)).stdout)).toMatchObject({
      hasChanges: true,
      items: [{ name: 'orders', action: 'CREATE', keptSecrets: [], missingSecrets: [] }],
    });
    const again = await command(['plan', ...args], cwd, env);
    expect([again.code, again.stderr]).toEqual([0, '']);
    expect(JSON.parse(again.stdout)).toMatchObject({ hasChanges: false });
    const { code } = await command(['export', '--environment', 'dev', '--out', 'exported.yaml'], cwd, env);
    expect(code).toBe(0);
    expect(await readFile(join(cwd, 'exported.yaml'), 'utf8')).toContain(`password: \${env:ORDERS_PASSWORD}`);
    const cloned = await command(['environment', 'clone', '--from', 'dev', '--to', 'copy'], cwd, env);
    expect(cloned.stdout).toContain('+ datastore orders');
  },
  LONGEST_MS,
);
