import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { readEnv } from '../../src/env.ts';

const read = (name: string) => readFile(`deploy/${name}`, 'utf8');
const documented = async (file: string, pattern: RegExp) =>
  new Set([...(await readFile(file, 'utf8')).matchAll(pattern)].map(([, name = '']) => name));

test.each(['alerts.yaml', 'grafana/dashboard.json'])('deploy/%s asks for metrics that there are', async (file) => {
  const metrics = await documented('docs/metrics.md', /^\| `(\w+)/gm);
  const asked = [...(await read(file)).matchAll(/datastore_gateway_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|count|sum)$/, ''),
  );
  expect(asked.length).toBeGreaterThan(4);
  expect(asked.filter((name) => !metrics.has(name) && name !== 'datastore_gateway')).toEqual([]);
});

test('deploy/compose.yaml sets what the gateway reads', async () => {
  const { gateway, worker } = parse(await read('compose.yaml')).services;
  const variables = await documented('README.md', /`([A-Z]+(?:_[A-Z]+)+|PORT|HOST)`/g);
  const set = [gateway, worker].flatMap(({ environment }) => Object.keys(environment));
  expect(set.filter((name) => !variables.has(name))).toEqual([]);
  // a worker opens what the gateways have sealed
  for (const name of ['DATABASE_URL', 'KEY_FILE']) expect(worker.environment[name]).toBe(gateway.environment[name]);
  const given = Object.entries<string | number>(gateway.environment).map(([name, value]) => [
    name,
    String(value).replace(/\$\{(\w+)[^}]*\}/g, 'filled.example'),
  ]);
  expect(readEnv('serve', Object.fromEntries(given))).toMatchObject({
    databaseUrl: 'postgres://gateway:filled.example@postgres/gateway',
    allowedHosts: ['https://filled.example'],
    metricsPort: 9464,
  });
});

test('deploy/Dockerfile copies what is published', async () => {
  const { files } = JSON.parse(await readFile('package.json', 'utf8')) as { files: string[] };
  const copied = [...(await read('Dockerfile')).matchAll(/^COPY --from=build \/build\/([\w.]+)/gm)].map(([, at]) => at);
  const published = new Set(files.map((file) => file.split('/')[0]));
  expect(copied.sort()).toEqual([...published, 'node_modules', 'package.json'].sort());
});

test('deploy/Dockerfile installs as .npmrc says: without scripts, for which the image has neither Python nor a compiler', async () => {
  const [beforeInstall = ''] = (await read('Dockerfile')).split(/^RUN npm ci/m);
  expect(beforeInstall).toMatch(/^COPY .*\.npmrc/m);
  expect(await readFile('.npmrc', 'utf8')).toContain('ignore-scripts=true');
});

test('docs/deploy.md names every file of deploy/', async () => {
  const text = await readFile('docs/deploy.md', 'utf8');
  const names = (await readdir('deploy')).filter((name) => !name.includes('ignore'));
  expect(names.filter((name) => !text.includes(`deploy/${name}`))).toEqual([]);
});
