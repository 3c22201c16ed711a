import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../support/certificates.ts';
import { newTestDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { describePeer } from '../support/peers/installed.ts';
import { NGINX, startNginx } from '../support/peers/nginx.ts';
import { endProcess, owned } from '../support/peers/own-process.ts';
import { closedPort } from '../support/peers/tarpit.ts';

const execute = promisify(execFile);

const SYSTEMD = { programs: ['systemd-analyze'], packages: ['systemd'] };
for (const name of ['datastore-gateway.service', 'datastore-gateway-worker.service'])
  describePeer(`deploy/${name}`, SYSTEMD, () => {
    let folder: string;
    let unit: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'gateway-unit-'));
      unit = join(folder, name);
      const text = await readFile(`deploy/${name}`, 'utf8');
      // the command has to be there for systemd to take the unit
      await writeFile(unit, text.replaceAll('/opt/datastore-gateway/bin/datastore-gateway', '/bin/true'));
    });

    afterAll(() => rm(folder, { recursive: true }));

    test('is what systemd takes, without a word', async () => {
      const { stdout, stderr } = await execute('systemd-analyze', ['verify', '--man=no', unit]);
      expect(stdout + stderr).toBe('');
    });

    test('is exposed to little', async () => {
      const args = ['security', '--offline=yes', '--threshold=20', '--no-pager', unit];
      const { stdout } = await execute('systemd-analyze', args);
      expect(stdout).toContain(`Overall exposure level for ${name}: `);
      expect(stdout).toMatch(/: [01]\.\d OK/);
    });
  });

describePeer('Prometheus', { programs: ['prometheus', 'promtool'], packages: ['prometheus'] }, () => {
  test('takes the rules of deploy/alerts.yaml', async () => {
    const { stdout } = await execute('promtool', ['check', 'rules', 'deploy/alerts.yaml']);
    expect(stdout).toContain('SUCCESS: 6 rules found');
  });

  test('takes the metrics, and every name and unit', async () => {
    const gateway = await startGateway({ metricsPort: 0 });
    onTestFinished(() => gateway.close());
    const checking = execute('promtool', ['check', 'metrics']);
    checking.child.stdin?.end(await (await fetch(gateway.app.metricsUrl ?? '')).text());
    // what prom-client itself counts is named by its own rules
    const { stdout, stderr } = await checking.catch((error: { stdout: string; stderr: string }) => error);
    expect((stdout + stderr).split('\n').filter((line) => line.includes('datastore_gateway'))).toEqual([]);
  });

  test('scrapes a gateway, and answers each question of the dashboard and the rules', async () => {
    const gateway = await startGateway({ metricsPort: 0 });
    onTestFinished(() => gateway.close());
    const folder = await mkdtemp(join(tmpdir(), 'gateway-prometheus-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const target = new URL(gateway.app.metricsUrl ?? '').host;
    await writeFile(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: 1s }
rule_files: [${join(process.cwd(), 'deploy/alerts.yaml')}]
scrape_configs: [{ job_name: datastore-gateway, static_configs: [{ targets: ['${target}'] }] }]`,
    );
    const port = await closedPort();
    const server = owned(
      spawn(
        'prometheus',
        [
          `--config.file=${join(folder, 'prometheus.yml')}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        { stdio: 'ignore' },
      ),
    );
    onTestFinished(() => endProcess(server));
    const ask = async (query: string) => {
      const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`;
      return (await (await fetch(url)).json()) as { status: string; data: { result: { value: [number, string] }[] } };
    };
    await eventually(async () => {
      const answer = await ask('datastore_gateway_database_up{job="datastore-gateway"}').catch(() => undefined);
      return answer?.data.result[0]?.value[1] === '1';
    });
    const dashboard = JSON.parse(await readFile('deploy/grafana/dashboard.json', 'utf8')) as {
      panels: { targets: { expr: string }[] }[];
    };
    const questions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(questions.length).toBeGreaterThan(15);
    for (const question of questions) {
      const asked = question.replaceAll('$job', 'datastore-gateway').replaceAll('$__rate_interval', '1m');
      expect(await ask(asked)).toMatchObject({ status: 'success' });
    }
  });
});

describePeer('deploy/nginx.conf', NGINX, () => {
  let gateways: TestGateway[];
  let port: number;
  let certificate: string;

  beforeAll(async () => {
    const database = await newTestDatabase('postgres');
    const authority = await createAuthority();
    const leaf = await authority.issue({ commonName: 'gateway.example' });
    certificate = authority.certificate;
    const folder = await mkdtemp(join(tmpdir(), 'gateway-replicas-'));
    const open = () => startGateway({ databaseUrl: database.url, folder, allowedHosts: ['https://gateway.example'] });
    gateways = [await open(), await open()];
    port = await closedPort();
    const servers = gateways.map(({ url }) => `server ${new URL(url).host} max_fails=1 fail_timeout=5s;`).join('\n');
    const config = (await readFile('deploy/nginx.conf', 'utf8'))
      .replace('server gateway:4000 max_fails=1 fail_timeout=5s;', servers)
      .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
      .replaceAll('/run/secrets/', 'FILES/');
    const nginx = await startNginx(config, { 'gateway.crt': leaf.certificate, 'gateway.key': leaf.key });
    return async () => {
      await nginx.close();
      for (const gateway of gateways) await gateway.close();
      await database.remove();
      await rm(folder, { recursive: true, force: true });
    };
  });

  const ask = (query: string) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const headers = {
        host: 'gateway.example',
        'content-type': 'application/json',
        authorization: `Bearer ${gateways[0]?.token}`,
      };
      const options = { host: '127.0.0.1', port, path: '/graphql', method: 'POST', servername: 'gateway.example' };
      const asking = request({ ...options, ca: certificate, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode, text }));
      });
      asking.on('error', reject).end(JSON.stringify({ query }));
    });

  test('spreads requests, and goes on with one gateway when another one ends', async () => {
    const query = '{ environments(first: 1) { nodes { name } } }';
    const expected = { status: 200, text: '{"data":{"environments":{"nodes":[{"name":"default"}]}}}' };
    for (let each = 0; each < 10; each += 1) expect(await ask(query)).toEqual(expected);
    for (const gateway of gateways) expect(gateway.log()).toContain('"path":"/graphql"');
    const ending = gateways[1]?.close();
    // one that is about to end says so, and its callers ask again
    for (let each = 0; each < 20; each += 1) expect([200, 503]).toContain((await ask(query)).status);
    await ending;
    for (let each = 0; each < 20; each += 1) expect(await ask(query)).toEqual(expected);
  });
});
