import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../src/errors/api.ts';
import { type Manifest, readManifest } from '../../src/modules/manifests/manifest.ts';
import { variableNames } from '../../src/modules/manifests/references.ts';

const reference = (source: string) => `\${${source}}`;
/** A datastore's config, in one line. */
const orders = (config: string, more = '') => `manifest: 1\ndatastores: {orders: {${more}config: ${config}}}`;
const postgres = (more: string) => orders(`{postgres: {host: db.example, username: a, database: b, ${more}}}`);

interface Bad {
  readonly title: string;
  readonly text: string;
  /** `path CODE line:column` of each fault. */
  readonly faults: readonly string[];
  readonly says?: RegExp;
}

const bad: readonly Bad[] = [
  { title: 'nothing at all', text: '', faults: [' REQUIRED 1:1'] },
  { title: 'a comment alone', text: '# nothing yet\n', faults: [' REQUIRED 1:1'] },
  { title: 'null', text: 'null', faults: [' REQUIRED 1:1'] },
  { title: 'a text', text: 'hello', faults: [' INVALID_TYPE 1:1'] },
  { title: 'a list', text: '- manifest: 1', faults: [' INVALID_TYPE 1:1'] },
  { title: 'another version', text: 'manifest: 2', faults: ['manifest INVALID_VALUE 1:1'], says: /must be 1\./ },
  { title: 'a tab', text: 'manifest: 1\ndatastores:\n\torders: {}', faults: [' INVALID_FORMAT 3:1'], says: /tabs/ },
  { title: 'a byte order mark', text: '\ufeffmanifest: 1', faults: [' INVALID_FORMAT 1:1'], says: /byte order mark/ },
  { title: 'a zero byte', text: 'manifest: 1\0', faults: [' INVALID_FORMAT 1:12'] },
  { title: 'an escaped zero byte', text: 'manifest: "\\0"', faults: ['manifest INVALID_FORMAT 1:11'] },
  { title: 'half a character', text: 'manifest: "\\ud800"', faults: ['manifest INVALID_FORMAT 1:11'] },
  { title: 'two documents', text: 'manifest: 1\n---\nmanifest: 1', faults: [' INVALID_FORMAT 2:1'], says: /second/ },
  { title: 'the same key twice', text: 'manifest: 1\nmanifest: 1', faults: ['manifest INVALID_COMBINATION 2:1'] },
  { title: 'an anchor', text: 'manifest: &a 1', faults: ['manifest INVALID_FORMAT 1:14'], says: /anchor/ },
  { title: 'an alias', text: 'manifest: *a', faults: ['manifest INVALID_FORMAT 1:11'], says: /alias/ },
  {
    title: 'a billion laughs',
    text: ['a: &a [x, x]', 'b: &b [*a, *a]', 'c: &c [*b, *b]', 'd: [*c, *c]'].join('\n'),
    faults: ['a INVALID_FORMAT 1:7'],
  },
  { title: 'a merge key', text: 'manifest: 1\n<<: {a: 1}', faults: [' INVALID_FORMAT 2:1'], says: /merge/ },
  { title: 'a tag', text: 'manifest: !!binary aGk=', faults: ['manifest INVALID_FORMAT 1:20'], says: /tag/ },
  { title: '__proto__', text: orders('{__proto__: {a: 1}}'), faults: ['datastores.orders.config INVALID_FORMAT 2:32'] },
  { title: 'a bracket too few', text: 'manifest: [1', faults: [' INVALID_FORMAT 1:13'] },
  { title: 'a depth bomb', text: '['.repeat(100_000), faults: [' TOO_LONG 1:97'], says: /32 deep/ },
  {
    title: 'a depth bomb over lines',
    text: Array.from({ length: 200 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    faults: [' TOO_LONG 96:97'],
  },
  { title: 'too many parts', text: `[${'1,'.repeat(200_000)}]`, faults: [' TOO_LONG 1:66667'] },
  { title: 'too long a text', text: `manifest: 1 #${' '.repeat(600_000)}`, faults: [' TOO_LONG 1:1'] },
  { title: 'a huge number', text: 'manifest: 1e999', faults: ['manifest OUT_OF_RANGE 1:11'], says: /quotes/ },
  { title: 'a long number', text: `manifest: ${'9'.repeat(40)}`, faults: ['manifest OUT_OF_RANGE 1:11'] },
  { title: 'no number', text: 'manifest: .nan', faults: ['manifest OUT_OF_RANGE 1:11'] },
  { title: 'a wrong type', text: 'manifest: 1\ndatastores: [a]', faults: ['datastores INVALID_TYPE 2:1'] },
  { title: 'an unknown field', text: 'manifest: 1\ndatastore: {}', faults: [' UNKNOWN_FIELD 2:1'] },
  {
    title: 'a wrong name',
    text: 'manifest: 1\ndatastores: {A B: {config: {}}}',
    faults: ['datastores.A B INVALID_FORMAT 2:14'],
  },
  { title: 'no type', text: orders('{}'), faults: ['datastores.orders.config EXACTLY_ONE 2:23'] },
  { title: 'two types', text: orders('{s3: {}, postgres: {}}'), faults: ['datastores.orders.config EXACTLY_ONE 2:23'] },
  { title: 'an unknown type', text: orders('{oracle: {}}'), faults: ['datastores.orders.config EXACTLY_ONE 2:23'] },
  {
    title: 'an unknown field of a config',
    text: postgres('pasword: hunter2'),
    faults: ['datastores.orders.config.postgres UNKNOWN_FIELD 2:87'],
    says: /host, port, username, password/,
  },
  {
    title: 'an unknown field of a block',
    text: postgres('tls: {verify: false}'),
    faults: ['datastores.orders.config.postgres.tls UNKNOWN_FIELD 2:93'],
  },
  {
    title: 'a secret of somewhere else',
    text: postgres(`password: "${reference('vault:x')}"`),
    faults: ['datastores.orders.config.postgres.password INVALID_FORMAT 2:87'],
  },
  {
    title: 'details that are wrong',
    text: orders('{postgres: {}}', 'label: "", checkEveryMinutes: 0, tags: {a: 1}, '),
    faults: [
      'datastores.orders.label TOO_SHORT 2:23',
      'datastores.orders.tags.a INVALID_TYPE 2:63',
      'datastores.orders.checkEveryMinutes OUT_OF_RANGE 2:34',
    ],
  },
  {
    title: 'a field of a structure that is wrong',
    text: 'manifest: 1\ndataStructures: {O: {fields: [{name: a, type: TEXT}, {name: a, type: DATE}]}}',
    faults: ['dataStructures.O.fields.1.name NAME_TAKEN 2:55'],
  },
];

async function read(text: string): Promise<Manifest | ValidationError> {
  return readManifest(text, []).catch((error: unknown) => {
    if (error instanceof ValidationError) return error;
    throw error;
  });
}

describe('a manifest that is wrong is told with path, line and column, and nothing of its values:', () => {
  test.each(bad)('$title', async ({ text, faults, says }) => {
    const error = await read(text);
    if (!(error instanceof ValidationError)) throw new Error('It was taken.');
    expect(error.issues.map(({ path, code, line, column }) => `${path.join('.')} ${code} ${line}:${column}`)).toEqual(
      faults,
    );
    if (says) expect(error.issues[0]?.message).toMatch(says);
    expect(JSON.stringify(error.issues)).not.toContain('hunter2');
  });
});

test('keys are names as they are written, and texts are no dates', async () => {
  const manifest = await read(orders('{postgres: {database: 2020-01-01}}').replace('orders', '2024'));
  if (manifest instanceof ValidationError) throw manifest;
  expect([...manifest.datastores]).toMatchObject([['2024', { config: { database: '2020-01-01' } }]]);
});

test('the names of secrets say which they are, and no two are the same', () => {
  const secret = (datastore: string, configPath: string) => ({ datastore, configPath });
  const secrets = [
    ...[secret('orders', 'password'), secret('orders', 'tls.clientKey'), secret('1st', 'password')],
    ...[secret('a-b', 'password'), secret('a_b', 'password')],
  ];
  const names = [...variableNames(secrets).values()];
  expect(names.slice(0, 3)).toEqual(['ORDERS_PASSWORD', 'ORDERS_TLS_CLIENT_KEY', 'DATASTORE_1ST_PASSWORD']);
  expect(names.slice(3)).toEqual([
    expect.stringMatching(/^A_B_PASSWORD_\w{6}$/),
    expect.stringMatching(/^A_B_PASSWORD_\w{6}$/),
  ]);
  expect(new Set(names).size).toBe(5);
  // what one is called does not depend on the order of the others
  expect([...variableNames(secrets.toReversed()).values()].toSorted()).toEqual(names.toSorted());
});

test('the manifests of the documentation are right', async () => {
  const page = await readFile(new URL('../../docs/manifests.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  const manifests = blocks.filter((block) => block.startsWith('manifest: 1'));
  expect(manifests.length).toBeGreaterThan(0);
  for (const manifest of manifests) expect(await read(manifest)).not.toBeInstanceOf(ValidationError);
});
