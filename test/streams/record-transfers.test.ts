import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { DataStructureFieldInput } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import {
  CreateDataStructure,
  DeleteDatastores,
  ListRecords,
  PutRecord,
  ReadAuditLog,
  ReadManaged,
  RecordEvents,
} from '../support/operations.ts';
import { expectType } from '../support/results.ts';

const JSON_LINES = 'application/jsonl';
const CSV = 'text/csv';
const ORDER: DataStructureFieldInput[] = [
  { name: 'customer', type: 'TEXT', required: true },
  { name: 'total', type: 'NUMBER' },
  { name: 'paid', type: 'BOOLEAN' },
  { name: 'due', type: 'DATE' },
  { name: 'lines', type: 'ARRAY', itemType: 'COLLECTION', fields: [{ name: 'sku', type: 'TEXT', required: true }] },
];
/** Ids of nothing. */
const NOWHERE = '00000000-0000-4000-8000-000000000000';

interface Report {
  readonly type: string;
  readonly line?: number;
  readonly status?: string;
  readonly put?: number;
  readonly refused?: number;
  readonly issues?: readonly { readonly path: readonly string[]; readonly code: string; readonly message: string }[];
  readonly error?: { readonly code: string; readonly message: string } | null;
}

const reportsOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Report);
const lineOf = (key: string, data: unknown) => `${JSON.stringify({ key, data })}\n`;
const keyAt = (at: number) => `k${String(at).padStart(6, '0')}`;
const linesOf = (count: number, data: unknown = { a: 1 }) =>
  Array.from({ length: count }, (_, at) => lineOf(keyAt(at), data)).join('');

describeEachGateway('records go in and out', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open({ testing: { limits: { recheckMs: 50 } } });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const store = async (managed: { maxSizeMb?: number; dataStructureId?: string } = {}) =>
    (await api.created({ environmentId, config: { managed: { maxSizeMb: 5, ...managed } } })).id;
  const structure = async (fields = ORDER, strict = true) => {
    const input = { environmentId, name: `s ${Math.random()}`, strict, fields };
    const { createDataStructure } = await gateway.run(CreateDataStructure, { input });
    return expectType(createDataStructure, 'CreateDataStructureSuccess').dataStructure.id;
  };
  const counts = async (id: string) =>
    (await gateway.run(ReadManaged, { id })).datastore as { recordCount: number; usedBytes: number };
  const recordsOf = async (id: string) => {
    const { datastore } = await gateway.run(ListRecords, { id, first: 100 });
    const { records } = datastore as unknown as { records: { nodes: { key: string; data: unknown }[] } };
    return records.nodes.map(({ key, data }) => ({ key, data }));
  };
  const pathOf = (id: string, search = '') => `${gateway.url}/datastores/${id}/records${search}`;
  const exported = (id: string, search = '', token = gateway.token) =>
    fetch(pathOf(id, search), { headers: { authorization: `Bearer ${token}` } });
  const sent = (id: string, type: string, body: BodyInit, search = '', headers: Record<string, string> = {}) =>
    fetch(pathOf(id, search), {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.token}`, 'content-type': type, ...headers },
      body,
      duplex: 'half',
    } as RequestInit);
  const imported = async (id: string, type: string, body: BodyInit, search = '') =>
    reportsOf(await (await sent(id, type, body, search)).text());
  const told = (reports: readonly Report[]) =>
    reports
      .filter(({ type }) => type === 'refused')
      .map(({ line, issues = [] }) => `${line}: ${issues.map(({ path, code }) => `${path.join('.')} ${code}`)}`);
  /** A request whose body is written bit by bit. */
  const begun = (id: string, search = '') => {
    const headers = { authorization: `Bearer ${gateway.token}`, 'content-type': JSON_LINES };
    const outgoing = request(pathOf(id, search), { method: 'POST', headers });
    const answer = once(outgoing, 'response').then(([response]) => response as IncomingMessage);
    return { outgoing, answer };
  };

  test.each([
    ['jsonl', JSON_LINES],
    ['csv', CSV],
  ])('as %s, and are equal', async (format, type) => {
    const dataStructureId = await structure();
    const [from, to] = [await store({ dataStructureId }), await store({ dataStructureId })];
    const records = [
      { key: 'a', data: { customer: 'Ann, "the\r\nfirst"', total: -12.5, paid: true, due: '2026-03-01' } },
      { key: 'b', data: { customer: '', lines: [{ sku: 'tea' }, { sku: '007' }] } },
      { key: 'c', data: { customer: '=1+1', total: null } },
      { key: '😀', data: { customer: 'nul \0, half \ud83d' } },
    ];
    for (const record of records) await gateway.run(PutRecord, { input: { datastoreId: from, ...record } });
    const response = await exported(from, `?format=${format}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
    expect(response.headers.get('record-count')).toBe('4');
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="records-${from}.${format}"`);
    const text = await response.text();
    const reports = await imported(to, type, text);
    const bytes = Buffer.byteLength(text);
    const end = {
      type: 'end',
      status: 'COMPLETE',
      read: 4,
      put: 4,
      skipped: 0,
      refused: 0,
      untold: 0,
      bytes,
      error: null,
    };
    expect(reports).toEqual([end]);
    expect(await recordsOf(to)).toEqual(records);
    expect(await counts(to)).toEqual(await counts(from));
    expect(await (await exported(to, `?format=${format}`)).text()).toBe(text);
  });

  test('with the fields alone that are named, in either format', async () => {
    const id = await store();
    await gateway.run(PutRecord, {
      input: { datastoreId: id, key: 'a', data: { name: 'Ann', salary: 5, city: 'Bonn' } },
    });
    const text = async (search: string) => (await exported(id, search)).text();
    expect(await text('?field=city&field=name')).toBe('{"key":"a","data":{"city":"Bonn","name":"Ann"}}\n');
    expect(await text('?format=csv&field=city&field=name')).toBe('$key,city,name\r\na,Bonn,Ann\r\n');
  });

  test('with the events of single puts, and entries in the audit log', async () => {
    const id = await store();
    await imported(id, JSON_LINES, linesOf(501));
    await (await exported(id, '?format=csv')).text();
    const events = await gateway.follow(
      RecordEvents,
      { datastoreId: id, after: cursorOf(id) },
      { enough: (all) => all.length === 501 },
    );
    expect(events.map(({ data }) => data?.recordEvents.key)).toEqual(Array.from({ length: 501 }, (_, at) => keyAt(at)));
    expect(events[0]?.data?.recordEvents).toMatchObject({ kind: 'PUT', record: { version: 1 } });
    const { auditLog } = await gateway.run(ReadAuditLog, { datastoreId: id });
    expect(auditLog.nodes.map(({ action, detail }) => [action, detail])).toEqual([
      ['records.export', { format: 'csv', count: 501 }],
      ['records.import', { count: 101 }],
      ['records.import', { count: 200 }],
      ['records.import', { count: 200 }],
      ['datastore.created', expect.anything()],
    ]);
  });

  test('past what is refused, which is told with its line and path', async () => {
    const id = await store({ dataStructureId: await structure() });
    const reports = await imported(
      id,
      JSON_LINES,
      [
        lineOf('a', { customer: 'Ann' }),
        'no JSON\n',
        lineOf('b', { customer: 'Bob', lines: [{ sku: 'x' }, { sku: 1, more: 2 }] }),
        lineOf('c', { total: 1 }),
        '{"key":"d","data":{"customer":"Dan","__proto__":{}}}\n',
        `{"key":"e","data":{"customer":${'['.repeat(40)}${']'.repeat(40)}}}\n`,
        `{"key":"f","data":{"customer":"x","total":12345678901234567890}}\n`,
        lineOf('g', []),
        lineOf('h', { customer: 'x'.repeat(524_288) }),
        lineOf('i', { customer: 'Ida' }).trim(),
      ].join(''),
    );
    expect(told(reports)).toEqual([
      '2:  INVALID_FORMAT',
      '3: data.lines.1.sku INVALID_TYPE,data.lines.1.more UNKNOWN_FIELD',
      '4: data.customer REQUIRED',
      '5: data.__proto__ INVALID_VALUE',
      `6: data.customer${'.0'.repeat(31)} TOO_LONG`,
      '7: data.total OUT_OF_RANGE',
      '8: data INVALID_TYPE',
      '9: data TOO_LONG',
    ]);
    expect(reports.at(-1)).toMatchObject({ status: 'COMPLETE', read: 10, put: 2, refused: 8, untold: 0 });
    const rows = 'customer,total,paid,due\nAnn,x,maybe,2026-02-30\nBob,1,false,2026-02-28\n';
    const csv = await imported(id, CSV, rows, '?keyField=customer');
    expect(told(csv)).toEqual(['2: data.total INVALID_TYPE,data.paid INVALID_TYPE']);
    expect(told(await imported(id, CSV, 'customer,due\nAnn,2026-02-30\n'))).toEqual(['2: data.due INVALID_FORMAT']);
    expect((await recordsOf(id)).map(({ key }) => key)).toEqual(['Bob', 'a', 'i']);
  });

  test('as new ones alone, merged, or in the place of those that are there', async () => {
    const id = await store();
    const reading = async (data: unknown, search: string) => {
      const reports = await imported(id, JSON_LINES, lineOf('a', data), search);
      return [reports.at(-1), (await recordsOf(id))[0]?.data];
    };
    expect(await reading({ a: 1 }, '?mode=new')).toMatchObject([{ put: 1, skipped: 0 }, { a: 1 }]);
    expect(await reading({ b: 2 }, '?mode=new')).toMatchObject([{ put: 0, skipped: 1, refused: 0 }, { a: 1 }]);
    expect(await reading({ b: 2 }, '?mode=merge')).toMatchObject([{ put: 1 }, { a: 1, b: 2 }]);
    expect(await reading({ c: 3 }, '')).toEqual([expect.objectContaining({ put: 1 }), { c: 3 }]);
  });

  test('merged into more than one call merges, each line once', async () => {
    const id = await store({ maxSizeMb: 30 });
    const big = { big: 'x'.repeat(524_000) };
    await imported(id, JSON_LINES, linesOf(40, big));
    const lines = linesOf(40, { small: 1 });
    const before = await counts(id);
    expect((await imported(id, JSON_LINES, lines, '?mode=merge')).at(-1)).toMatchObject({
      read: 40,
      put: 40,
      refused: 0,
    });
    expect(await counts(id)).toEqual({ ...before, usedBytes: before.usedBytes + 40 * ',"small":1'.length });
    const again = await imported(id, JSON_LINES, lines, '?mode=merge&stopAtFirst=true');
    expect(again.at(-1)).toMatchObject({ status: 'COMPLETE', put: 40 });
  });

  test('up to the first that is refused, where that is asked for', async () => {
    const id = await store();
    const stop = '?stopAtFirst=true';
    const text = `${linesOf(3)}${lineOf('bad', [])}${linesOf(5)}`;
    expect(await imported(id, JSON_LINES, text, stop)).toMatchObject([
      { type: 'refused', line: 4 },
      { type: 'end', status: 'STOPPED', read: 4, put: 3, refused: 1 },
    ]);
    expect(await imported(id, JSON_LINES, `${linesOf(4)}no JSON\n${linesOf(5)}`, stop)).toMatchObject([
      { type: 'refused', line: 5 },
      { type: 'end', status: 'STOPPED', read: 5, put: 4, refused: 1 },
    ]);
    // what is there already is no reason to stop
    expect((await imported(id, JSON_LINES, linesOf(6), `${stop}&mode=new`)).at(-1)).toMatchObject({
      status: 'COMPLETE',
      put: 2,
      skipped: 4,
    });
    expect(await counts(id)).toMatchObject({ recordCount: 6 });
  });

  test('up to where a text cannot be read on', async () => {
    const id = await store();
    const text = `$key,a\n${'k,1\n'.repeat(3)}x,"2\n`;
    const message = 'A quote is opened in this row or behind it and never closed.';
    expect((await imported(id, CSV, text)).at(-1)).toMatchObject({
      status: 'FAILED',
      read: 3,
      put: 3,
      error: { code: 'BAD_USER_INPUT', message, issues: [{ line: 5, code: 'INVALID_FORMAT' }] },
    });
    const empty = await imported(id, CSV, '');
    expect(empty.at(-1)).toMatchObject({ status: 'FAILED', put: 0, error: { issues: [{ line: 1 }] } });
    expect((await imported(id, JSON_LINES, '')).at(-1)).toMatchObject({ status: 'COMPLETE', read: 0 });
    expect((await imported(id, JSON_LINES, gzipSync(linesOf(3)))).at(-1)).toMatchObject({
      error: { issues: [{ line: 1, message: 'This is compressed by gzip: decompress it first.' }] },
    });
  });

  test('within the quota, to the byte, however many come at once', async () => {
    const id = await store({ maxSizeMb: 1 });
    const data = { text: 'x'.repeat(10_000) };
    const size = Buffer.byteLength(JSON.stringify(data)) + keyAt(0).length;
    const fitting = Math.floor(1_048_576 / size);
    const texts = [0, 1, 2].map((part) =>
      Array.from({ length: 50 }, (_, at) => lineOf(keyAt(part * 50 + at), data)).join(''),
    );
    const ends = (await Promise.all(texts.map((text) => imported(id, JSON_LINES, text)))).map((all) => all.at(-1));
    const sum = (name: 'put' | 'refused') => ends.reduce((whole, end) => whole + (end?.[name] ?? 0), 0);
    expect([sum('put'), sum('refused')]).toEqual([fitting, 150 - fitting]);
    expect(await counts(id)).toMatchObject({ recordCount: fitting, usedBytes: fitting * size });
  });

  test('with no more told than somebody reads', async () => {
    const id = await store();
    const reports = await imported(id, JSON_LINES, `${'no JSON\n'.repeat(1_200)}${linesOf(1)}`);
    // on a slow machine it tells of its progress, too
    expect(reports.filter(({ type }) => type !== 'progress')).toHaveLength(1_001);
    expect(reports.at(-1)).toMatchObject({ read: 1_201, refused: 1_200, untold: 200, put: 1 });
    const long = JSON.stringify({ data: { ['n'.repeat(500_000)]: { __proto__x: 1 } }, ['o'.repeat(500_000)]: 1 });
    const [refused] = await imported(id, JSON_LINES, long);
    expect(refused?.issues?.[0]?.path).toEqual(['o'.repeat(256)]);
  });

  describe('or are refused', () => {
    test.each<[string, string, string, string[]]>([
      ['a format that there is not', 'GET', '?format=xml', ['format INVALID_VALUE']],
      ['a format twice', 'GET', '?format=csv&format=csv', ['format INVALID_VALUE']],
      ['an empty field', 'GET', '?format=csv&field=', ['field.0 TOO_SHORT']],
      ['a parameter that there is not', 'GET', '?fields=a', ['fields UNKNOWN_FIELD']],
      ['an import’s parameter', 'GET', '?mode=new', ['mode UNKNOWN_FIELD']],
      ['a mode that there is not', 'POST', '?mode=upsert', ['mode INVALID_VALUE']],
      ['no truth', 'POST', '?stopAtFirst=1', ['stopAtFirst INVALID_VALUE']],
      ['a long field', 'POST', `?keyField=${'x'.repeat(1_025)}`, ['keyField TOO_LONG']],
    ])('for %s', async (_name, method, search, expected) => {
      const id = await store();
      const response = method === 'GET' ? await exported(id, search) : await sent(id, JSON_LINES, linesOf(1), search);
      expect(response.status).toBe(400);
      const [error] = ((await response.json()) as { errors: { extensions: { issues: Report['issues'] } }[] }).errors;
      expect(error?.extensions.issues?.map(({ path, code }) => `${path.join('.')} ${code}`)).toEqual(expected);
      expect(await counts(id)).toMatchObject({ recordCount: 0 });
    });

    test.each<[string, string, Record<string, string>]>([
      ['JSON', 'application/json', {}],
      ['a form', 'application/x-www-form-urlencoded', {}],
      ['another charset', 'text/csv; charset=iso-8859-1', {}],
      ['compressed', JSON_LINES, { 'content-encoding': 'gzip' }],
    ])('that come as %s', async (_name, type, headers) => {
      const response = await sent(await store(), type, linesOf(1), '', headers);
      expect(response.status).toBe(415);
      expect(await response.text()).toContain('application/jsonl or text/csv');
    });

    test('by another method, and at another path', async () => {
      const id = await store();
      const headers = { authorization: `Bearer ${gateway.token}` };
      const put = await fetch(pathOf(id), { method: 'PUT', headers, body: linesOf(1) });
      expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, POST']);
      expect((await fetch(`${gateway.url}/datastores/x/records`, { headers })).status).toBe(404);
      expect((await fetch(`${pathOf(id)}/a`, { headers })).status).toBe(404);
      expect((await exported(id.toUpperCase())).status).toBe(200);
    });

    test('for who may not see the datastore, or do that', async () => {
      const id = await store();
      const other = await gateway.createToken('other', ['RECORDS_READ', 'RECORDS_WRITE'], [await api.newEnvironment()]);
      const reader = await gateway.createToken('reader', ['RECORDS_READ'], [environmentId]);
      const writer = await gateway.createToken('writer', ['RECORDS_WRITE'], [environmentId]);
      const importing = (token: string, datastoreId = id) =>
        sent(datastoreId, JSON_LINES, linesOf(1), '', { authorization: `Bearer ${token}` });
      const statuses = await Promise.all([
        exported(id, '', other),
        importing(other),
        exported(NOWHERE),
        importing(gateway.token, NOWHERE),
        exported(id, '', writer),
        importing(reader),
        exported(id, '', 'nobody'),
        importing('nobody'),
        exported(id, '', reader),
        importing(writer),
      ]);
      expect(statuses.map(({ status }) => status)).toEqual([404, 404, 404, 404, 403, 403, 401, 401, 200, 200]);
      const texts = await Promise.all(statuses.slice(0, 4).map((response) => response.text()));
      expect(new Set(texts)).toHaveLength(1);
      const refusals = async () =>
        (await gateway.run(ReadAuditLog, { outcome: 'REFUSED', actor: 'reader' })).auditLog.nodes;
      await eventually(async () => (await refusals()).length > 0);
      expect(await refusals()).toMatchObject([{ action: 'POST /datastores/{id}/records' }]);
      // a datastore of another type has no records
      const { id: outside } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
      expect((await exported(outside)).status).toBe(404);
    });
  });

  test('as far as the connection reaches: whole transactions, which can be sent again', async () => {
    const id = await store();
    const { outgoing, answer } = begun(id);
    answer.catch(() => undefined);
    outgoing.on('error', () => undefined);
    outgoing.write(linesOf(700));
    await eventually(async () => (await counts(id)).recordCount === 600);
    outgoing.destroy();
    expect((await imported(id, JSON_LINES, linesOf(700))).at(-1)).toMatchObject({ put: 700 });
    expect(await counts(id)).toMatchObject({ recordCount: 700 });
  });

  test('and are told of while they come', async () => {
    const id = await store();
    const { outgoing, answer } = begun(id);
    outgoing.write(`no JSON\n${linesOf(499)}`);
    const response = await answer;
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(reportsOf(String(first))[0]).toMatchObject({ type: 'refused', line: 1 });
    let rest = '';
    response.on('data', (data: Buffer) => {
      rest += String(data);
    });
    outgoing.end(`no JSON\n${linesOf(499)}`);
    await once(response, 'end');
    expect(reportsOf(rest).at(-1)).toMatchObject({ status: 'COMPLETE', put: 998, refused: 2 });
  });

  test('until their token is revoked', async () => {
    const id = await store();
    const token = await gateway.createToken('leaver', ['RECORDS_WRITE'], [environmentId]);
    const headers = { authorization: `Bearer ${token}`, 'content-type': JSON_LINES };
    const outgoing = request(pathOf(id), { method: 'POST', headers });
    const answer = once(outgoing, 'response');
    outgoing.on('error', () => undefined);
    outgoing.write(linesOf(400));
    const [response] = (await answer) as [IncomingMessage];
    let text = '';
    response.on('data', (data: Buffer) => {
      text += String(data);
    });
    await gateway.app.database.query.deleteFrom('api_tokens').where('name', '=', 'leaver').execute();
    await once(response, 'end');
    expect(reportsOf(text).at(-1)).toMatchObject({
      status: 'FAILED',
      put: 400,
      error: { code: 'UNAUTHENTICATED', message: 'The token was revoked or has expired.' },
    });
  });

  test('no faster than somebody reads, and as long as their datastore is there', async () => {
    const id = await store({ maxSizeMb: 30 });
    const count = 48;
    await imported(id, JSON_LINES, linesOf(count, { text: 'x'.repeat(524_000) }));
    gateway.statements.length = 0;
    const outgoing = request(pathOf(id), { headers: { authorization: `Bearer ${gateway.token}` } }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    response.pause();
    const pages = () => gateway.statements.filter((text) => text.includes('"managed_records"."data"')).length;
    await eventually(() => pages() > 0);
    // nothing is locked for who reads nothing
    await gateway.run(PutRecord, { input: { datastoreId: id, key: 'z', data: {} } });
    const input = { select: { ids: [id] }, confirmed: true };
    expect((await gateway.run(DeleteDatastores, { input })).deleteDatastores).toMatchObject({ deletedIds: [id] });
    // a page has two of them, and the machine keeps some for who reads
    expect(pages()).toBeLessThan(count / 2);
    response.resume();
    const [error] = (await once(response, 'error')) as [Error];
    expect(error.message).toBe('aborted');
  });

  test('within the operator’s limits', async () => {
    const limited = await open({ limits: { MAX_IMPORT_MB: 1, MAX_TRANSFERS_PER_TOKEN: 1 } });
    const own = apiOf(limited);
    const { id } = await own.created({ config: { managed: { maxSizeMb: 5 } } });
    const url = `${limited.url}/datastores/${id}/records`;
    const headers = { authorization: `Bearer ${limited.token}`, 'content-type': JSON_LINES };
    const body = linesOf(20, { text: 'x'.repeat(100_000) });
    const whole = await fetch(url, { method: 'POST', headers, body });
    expect(whole.status).toBe(413);
    const limits = { limit: 1, variable: 'MAX_IMPORT_MB' };
    expect(await whole.json()).toMatchObject({ errors: [{ extensions: { code: 'PAYLOAD_TOO_LARGE', ...limits } }] });
    const outgoing = request(url, { method: 'POST', headers });
    outgoing.on('error', () => undefined);
    outgoing.write(linesOf(1));
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const second = await fetch(url, { headers });
    expect(second.status).toBe(429);
    expect(await second.text()).toContain('MAX_TRANSFERS_PER_TOKEN');
    let text = '';
    response.on('data', (data: Buffer) => {
      text += String(data);
    });
    outgoing.write(body);
    await once(response, 'end');
    // what came before the limit is stored
    expect(reportsOf(text).at(-1)).toMatchObject({
      status: 'FAILED',
      put: 11,
      error: { code: 'PAYLOAD_TOO_LARGE', ...limits },
    });
  });
});

/** The cursor of before the first event. */
function cursorOf(datastoreId: string): string {
  return Buffer.from(JSON.stringify({ at: new Date().toISOString(), datastoreId, sequence: 0 })).toString('base64url');
}
