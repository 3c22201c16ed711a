import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { CreateDataStructure } from '../support/operations.ts';
import { expectType } from '../support/results.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/datastore-gateway.js', import.meta.url));
/** An id of nothing. */
const NOWHERE = '00000000-0000-4000-8000-000000000000';

const lineOf = (key: string, data: unknown) => `${JSON.stringify({ key, data })}\n`;

describeEachGateway('records export and records import', (open) => {
  let gateway: TestGateway;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    environmentId = await apiOf(gateway).newEnvironment();
  });

  const structure = async () => {
    const fields = [
      { name: 'customer', type: 'TEXT', required: true } as const,
      { name: 'total', type: 'NUMBER' } as const,
    ];
    const input = { environmentId, name: `s ${Math.random()}`, strict: true, fields };
    const { createDataStructure } = await gateway.run(CreateDataStructure, { input });
    return expectType(createDataStructure, 'CreateDataStructureSuccess').dataStructure.id;
  };
  const store = async (managed: { dataStructureId?: string } = {}) =>
    (await apiOf(gateway).created({ environmentId, config: { managed: { maxSizeMb: 5, ...managed } } })).id;

  /** What a command prints and how it ends; it may ask the gateway, or the database itself. */
  const run = async (...args: string[]) => {
    const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
    const env = {
      ...{ PATH, NODE_COMPILE_CACHE, GATEWAY_TOKEN: gateway.token, DATABASE_URL: gateway.databaseUrl },
      KEY_FILE: join(gateway.folder, 'master.key'),
    };
    const cwd = gateway.folder;
    const launched = promisify(execFile)(process.execPath, [LAUNCHER, 'records', ...args], { cwd, env });
    return launched.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  };

  test.each(['the gateway', 'the database'])('of %s', async (target) => {
    const id = await store({ dataStructureId: await structure() });
    const at = ['--datastore', id, ...(target === 'the gateway' ? ['--gateway', gateway.url] : [])];
    const file = join(gateway.folder, `${id}.jsonl`);
    const good = ['a', 'b'].map((key) => lineOf(key, { customer: key })).join('');
    await writeFile(file, `${good}${lineOf('c', { customer: 'c', total: '1' })}`);
    const refused = await run('import', ...at, file);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    const told = `${file}:3: data.total: Give a number.\n2 records put, 1 refused`;
    expect(refused.stderr).toContain(told);
    const out = join(gateway.folder, `${id}-out.jsonl`);
    expect(await run('export', ...at, '--out', out)).toMatchObject({ code: 0, stdout: '' });
    expect(await readFile(out, 'utf8')).toBe(good);
    const csv = await run('export', ...at, '--format', 'csv', '--field', 'customer');
    expect(csv).toMatchObject({ code: 0, stdout: '$key,customer\r\na,a\r\nb,b\r\n' });
    expect(csv.stderr).toContain('2 records, ');
    expect(await run('import', ...at, '--stop-at-first', '--mode', 'new', out)).toMatchObject({ code: 0 });
    const unknown = await run('import', ...at, '--mode', 'some', out);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('mode: ');
  });

  test('says what cannot be done, and does none of it', async () => {
    const at = ['--datastore', await store(), '--gateway', gateway.url];
    const missing = join(gateway.folder, 'none.jsonl');
    const out = join(gateway.folder, 'never.jsonl');
    const [noFile, folder, nowhere, binary, noFormat, noDatastore] = await Promise.all([
      run('import', ...at, missing),
      run('import', ...at, '--format', 'csv', gateway.folder),
      run('export', '--datastore', NOWHERE, '--gateway', gateway.url, '--out', out),
      writeFile(join(gateway.folder, 'zip.csv'), gzipSync('a')).then(() =>
        run('import', ...at, join(gateway.folder, 'zip.csv')),
      ),
      run('import', ...at, 'records'),
      run('export', '--gateway', gateway.url),
    ]);
    expect([noFile, folder, nowhere, binary].map(({ code }) => code)).toEqual([1, 1, 1, 1]);
    expect([noFormat, noDatastore].map(({ code }) => code)).toEqual([2, 2]);
    expect(noFile.stderr).toMatch(/no such file or directory.+none\.jsonl/);
    expect(folder.stderr).toContain('is a folder: give a file.');
    expect(nowhere.stderr).toContain('It does not exist, or you may not see it.');
    expect(existsSync(out)).toBe(false);
    expect(binary.stderr).toMatch(/ended early: .+zip\.csv:1: This is compressed by gzip/);
    expect(noFormat.stderr).toContain('--format takes one of jsonl, csv.');
    expect(noDatastore.stderr).toContain('Give --datastore ID.');
  });
});
