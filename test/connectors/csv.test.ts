import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvConfig } from '../../src/connectors/csv/config.ts';
import { csv } from '../../src/connectors/csv/index.ts';
import { parseCsv } from '../../src/connectors/csv/parse.ts';
import { readTable } from '../../src/connectors/csv/table.ts';
import { changedDestinations, secretPathsOf } from '../../src/connectors/kit/config/shape.ts';
import { type BadConfig, describeBadConfigs } from '../support/bad-configs.ts';
import { turnsOf } from '../support/event-loop.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { type PeerAnswer, startHttpPeer } from '../support/peers/http-peer.ts';
import { CLIENTS, openFileStand } from '../support/stands/csv.ts';
import { gist, type TestConnectionOptions, testConnection } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const { configFor, issue, keep, start, tryAt, tryIt, tryWith } = useStand(openFileStand);
const content = (text: string, more: object = {}) => ({ source: { content: text }, ...more });
const columns = [
  { name: 'id', dataType: 'NUMBER', nullable: null },
  { name: 'name', dataType: 'TEXT', nullable: null },
  { name: 'since', dataType: 'DATE', nullable: true },
  { name: 'active', dataType: 'BOOLEAN', nullable: null },
];

describe('by URL', () => {
  test('a file passes every check', async () => {
    const peer = await start();
    const result = await tryAt(peer);
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'tls/handshake: PASSED',
      'file/get: PASSED',
      'file/parse: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'file/get': { host: 'files.example', bytes: String(CLIENTS.length), truncated: 'false', mediaType: 'text/csv' },
      'file/parse': { columns: '4', rows: '2', unevenRows: '0', doubleNames: '0' },
    });
    expect(peer.connections()).toBe(1);
    expect(peer.requests.map((request) => request.target)).toEqual(['/data/clients.csv']);
  });

  test('the catalog is the file', async () => {
    const config = { source: { url: 'https://files.example/my%20clients.csv' } };
    const result = await tryIt(config, { catalog: true });
    expect(result.batches).toEqual([[{ namespace: null, name: 'my clients.csv', kind: 'TABLE', columns }]]);
  });

  test.each([
    ['X-Amz-Signature=secret&X-Amz-Expires=3600', 'X-Amz-Signature=secret&X-Amz-Expires=3600'],
    ['?sig=a%2Fb', 'sig=a%2Fb'],
  ])('the query of a pre-signed URL is sent as it stands, and stays a secret: %s', async (urlQuery, query) => {
    const result = await tryWith({ query }, { urlQuery });
    expect(result.failure).toBeNull();
    expect(JSON.stringify(result)).not.toContain(query);
    expect(secretPathsOf(csv)).toEqual(['urlQuery']);
  });

  test('the path is sent as it stands, with its slash at the end', async () => {
    const peer = await start();
    await tryAt(peer, { source: { url: 'https://FILES.EXAMPLE/export/' }, urlQuery: 'format=csv' });
    expect(peer.requests[0]?.target).toBe('/export/?format=csv');
  });

  test('of a larger file the first 5 MiB are read', async () => {
    const row = `1,${'x'.repeat(1_021)}\n`;
    const result = await tryWith({ answer: { status: 200, body: `id,text\n${row.repeat(6 * 1_024)}` } });
    expect(result.failure).toBeNull();
    expect(result.evidence['file/get']).toMatchObject({ bytes: String(5 * 1_024 * 1_024), truncated: 'true' });
    // the row that was cut off is no uneven one
    expect(result.evidence['file/parse']).toMatchObject({ rows: String(5 * 1_024 - 1), unevenRows: '0' });
  });

  test('a file that is cut off within a character is no broken one', async () => {
    const result = await tryWith({ answer: { status: 200, body: `a\n${'é\n'.repeat(2 * 1_024 * 1_024)}` } });
    expect(result.failure).toBeNull();
    expect(result.evidence['file/get']).toMatchObject({ truncated: 'true' });
  });

  test.each([
    ['windows-1252', Buffer.from('name\nAn\xefs\n', 'latin1')],
    ['UTF-16LE', Buffer.from('\uFEFFname\nAnïs\n', 'utf16le')],
    ['utf-8', Buffer.from('\uFEFFname\nAnïs\n')],
  ])('%s is read', async (encoding, body) => {
    const result = await tryWith({ answer: { status: 200, body } }, { encoding }, { catalog: true });
    expect(result.batches[0]?.[0]?.columns.map((column) => column.name)).toEqual(['name']);
  });
});

describe('a redirect', () => {
  const SECRET = 'X-Amz-Signature=5f2b8c';
  const SHEETS = 'https://sheets.example/a.csv?key=of-its-own';
  const to = (location: string, status = 302): PeerAnswer => ({ status, headers: { location } });

  /** Tests a file whose server answers each path so, and any other with the clients. */
  async function meet(
    answers: Readonly<Record<string, PeerAnswer>>,
    how: TestConnectionOptions = {},
    more: Record<string, string> = {},
  ) {
    const certificate = await issue({ names: ['files.example', 'sheets.example'] });
    const clients = { status: 200, headers: { 'content-type': 'text/csv' }, body: CLIENTS };
    const peer = await keep(startHttpPeer(({ path }) => answers[path] ?? clients, { certificate }));
    const names = Object.fromEntries(
      ['files.example:443', 'sheets.example:443', 'sheets.example:8443'].map((at) => [at, `127.0.0.1:${peer.port}`]),
    );
    const result = await tryAt(peer, { urlQuery: SECRET }, { names: { ...names, ...more }, allow: [], ...how });
    return { result, asked: peer.requests.map(({ headers, target }) => `${headers.host}${target}`), peer };
  }

  test.each([301, 302, 303, 307, 308])('%i to another host is followed, and gets no query of ours', async (status) => {
    const { result, asked, peer } = await meet({ '/data/clients.csv': to(SHEETS, status) });
    expect(result.failure).toBeNull();
    expect(asked).toEqual([`files.example/data/clients.csv?${SECRET}`, 'sheets.example/a.csv?key=of-its-own']);
    expect(peer.requests.map(({ method }) => method)).toEqual(['GET', 'GET']);
    expect(Object.keys(peer.requests[1]?.headers ?? {}).sort()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
    ]);
    expect(result.evidence['file/get']).toMatchObject({ redirectHost: 'sheets.example', redirects: '1' });
    expect(JSON.stringify(result)).not.toMatch(/of-its-own|5f2b8c/);
  });

  test.each([
    ['a path', '/other.csv?a=1', 'files.example/other.csv?a=1'],
    ['a path beside its own', 'other.csv', 'files.example/data/other.csv'],
    ['another port', 'https://sheets.example:8443/a.csv#part', 'sheets.example:8443/a.csv'],
    ['the same scheme', '//sheets.example/a.csv', 'sheets.example/a.csv'],
  ])('may be %s', async (_what, location, second) => {
    const { result, asked } = await meet({ '/data/clients.csv': to(location) });
    expect(result.failure).toBeNull();
    expect(asked[1]).toBe(second);
  });

  test('is followed five times, and no more', async () => {
    const chain = (length: number) =>
      Object.fromEntries(
        Array.from({ length }, (_, at) => [at === 0 ? '/data/clients.csv' : `/${at}`, to(`/${at + 1}`)]),
      );
    expect((await meet(chain(5))).result.failure).toBeNull();
    const loop = { ...chain(1), '/1': to('/1') };
    for (const { result, asked } of [await meet(chain(6)), await meet(loop)]) {
      expect(gist(result)).toEqual({ at: 'file/get', code: 'PROTOCOL_MISMATCH', configPath: 'source.url' });
      expect(result.failure?.hint).toContain('more than five times');
      expect(asked).toHaveLength(6);
    }
  });

  test.each([
    ['clear text', 'http://sheets.example/a.csv?secret', 'without TLS', 'sheets.example'],
    ['another scheme', 'file:///etc/passwd', 'without TLS', undefined],
    ['a user name', 'https://me:secret@sheets.example/a.csv', 'a user name', 'sheets.example'],
    ['a user name alone', 'https://secret@sheets.example/', 'a user name', 'sheets.example'],
    ['no URL', 'https://[secret', 'no URL', undefined],
  ])('to %s is not followed', async (_what, location, hint, redirectHost) => {
    const { result, asked } = await meet({ '/data/clients.csv': to(location) });
    expect(gist(result)).toEqual({ at: 'file/get', code: 'PROTOCOL_MISMATCH', configPath: 'source.url' });
    expect(result.failure?.hint).toContain(hint);
    expect(result.evidence['file/get']?.redirectHost || undefined).toBe(redirectHost);
    expect(asked).toHaveLength(1);
    expect(JSON.stringify(result)).not.toMatch(/secret|passwd/);
  });

  test.each([
    ['a metadata address', 'https://169.254.169.254/latest/', '169.254.169.254'],
    ['the same in IPv6', 'https://[::ffff:a9fe:a9fe]/', '[::ffff:a9fe:a9fe]'],
    ['a number', 'https://2130706433/', '127.0.0.1'],
    ['a private name', 'https://inside.example/?secret', 'inside.example'],
  ])('to %s is judged as any address is', async (_what, location, redirectHost) => {
    const how = { lookup: async () => ['10.0.0.1'] };
    const { result } = await meet({ '/data/clients.csv': to('/once'), '/once': to(location) }, how);
    expect(gist(result)).toEqual({ at: 'file/get', code: 'ADDRESS_NOT_ALLOWED', configPath: 'source.url' });
    expect(result.evidence['file/get']).toEqual({ redirectHost });
  });

  test.each([
    ['a refusal', { status: 403 }, 'PERMISSION_DENIED'],
    ['a page to sign in', { status: 200, headers: { 'content-type': 'text/html' } }, 'PROTOCOL_MISMATCH'],
  ])('to %s says where that was', async (_what, answer, code) => {
    const { result } = await meet({ '/data/clients.csv': to(SHEETS), '/a.csv': answer });
    expect(gist(result)).toEqual({ at: 'file/get', code, configPath: 'source.url' });
    expect(result.evidence['file/get']).toMatchObject({ redirectHost: 'sheets.example' });
  });

  test('to a host with a certificate for another one is not read', async () => {
    const answers = { '/data/clients.csv': to('https://sheets.example:9443/a.csv') };
    const wrong = await keep(startHttpPeer(() => ({ status: 200, body: CLIENTS }), { certificate: await issue() }));
    const { result } = await meet(answers, {}, { 'sheets.example:9443': `127.0.0.1:${wrong.port}` });
    expect(result.failure?.code).toBe('TLS_NAME_MISMATCH');
    expect(result.evidence['file/get']).toMatchObject({ redirectHost: 'sheets.example:9443' });
    expect(wrong.requests).toEqual([]);
  });
});

describe('by content', () => {
  test('nothing is dialled, nothing is resolved', async () => {
    const config = csv.config.parse(content(CLIENTS));
    expect(csv.targets(config)).toEqual([]);
    const lookup = () => Promise.reject(new Error('somebody asked for a name'));
    const result = await testConnection(csv, content(CLIENTS), { lookup, allow: [] });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual(['file/get: PASSED', 'file/parse: PASSED']);
  });

  test('the catalog is the file', async () => {
    const result = await testConnection(csv, content(CLIENTS), { catalog: true });
    expect(result.batches).toEqual([[{ namespace: null, name: 'content', kind: 'TABLE', columns }]]);
  });

  test.each([
    ['no header', content('1,2\n3,4\n', { hasHeader: false }), 'column1 NUMBER, column2 NUMBER'],
    ['a semicolon', content('a;b\n1;x\n', { delimiter: ';' }), 'a NUMBER, b TEXT'],
    ['a tab', content('a\tb\n1\tx\n', { delimiter: '\t' }), 'a NUMBER, b TEXT'],
    ['a line that names the delimiter', content('sep=;\r\na;b\r\n1;x\r\n'), 'a NUMBER, b TEXT'],
    ['such a line in quotes, for a tab', content('\uFEFF"sep=\t"\na\tb\n1\tx\n'), 'a NUMBER, b TEXT'],
    ['such a line against the config', content('sep=,\na,b\n1,x\n', { delimiter: ';' }), 'a NUMBER, b TEXT'],
    ['names that other files begin with', content('PAR1,BZh9\n1,2\n'), 'PAR1 NUMBER, BZh9 NUMBER'],
    ['a column of that name', content('sep=;x\n1\n'), 'sep=;x NUMBER'],
    ['a name left out', content('a,,c\n1,2,3\n'), 'a NUMBER, column2 NUMBER, c NUMBER'],
    ['numbers', content('a,b,c,d\n-1.5,1e9,.5,007\n'), 'a NUMBER, b NUMBER, c NUMBER, d TEXT'],
    ['dates', content('a,b,c\n2026-01-31,2026-02-30,2026-01-31T10:00:00Z\n'), 'a DATE, b TEXT, c DATE'],
    ['truth', content('a,b\nTrue,yes\nfalse,2\n'), 'a BOOLEAN, b TEXT'],
    ['nothing but a header', content('a,b\n'), 'a TEXT, b TEXT'],
    ['empty lines', content('\r\na\r\n\r\n1\r\n\r\n'), 'a NUMBER'],
    ['line breaks in quotes', content('a,b\n"1\n2",3\n'), 'a TEXT, b NUMBER'],
    ['old line ends', content('a,b\r1,2\r'), 'a NUMBER, b NUMBER'],
  ])('%s', async (_title, config, expected) => {
    const result = await testConnection(csv, config, { catalog: true });
    expect(result.failure).toBeNull();
    const found = result.batches[0]?.[0]?.columns.map(({ name, dataType }) => `${name} ${dataType}`);
    expect(found?.join(', ')).toBe(expected);
  });

  test.each([
    ['rows of other lengths', 'a,b\n1\n1,2,3\n', { unevenRows: '2' }],
    ['a name that comes twice', 'a,a\n1,2\n', { doubleNames: '1' }],
    ['no rows', 'a,b\n', { rows: '0' }],
    ['semicolons between the values', 'a;b\n1;2\n', { columns: '1', delimiter: ',', likelyDelimiter: ';' }],
    ['tabs between the values', 'a\tb\n1\t2\n', { columns: '1', delimiter: ',', likelyDelimiter: 'tab' }],
  ])('warns of %s', async (_title, text, evidence) => {
    const result = await testConnection(csv, content(text));
    expect(result.steps).toContain('file/parse: WARNING');
    expect(result.evidence['file/parse']).toMatchObject(evidence);
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a file that is not there', { status: 404 }, 'OBJECT_NOT_FOUND', 'source.url'],
    ['one that is there no more', { status: 410 }, 'OBJECT_NOT_FOUND', 'source.url'],
    ['one for others', { status: 403 }, 'PERMISSION_DENIED', 'source.url'],
    ['one that needs a sign-in', { status: 401 }, 'CREDENTIALS_REQUIRED', 'source.url'],
    [
      'a redirect',
      { status: 302, headers: { location: 'http://169.254.169.254/' } },
      'PROTOCOL_MISMATCH',
      'source.url',
    ],
    [
      'a web page',
      { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<html>' },
      'PROTOCOL_MISMATCH',
      'source.url',
    ],
    [
      'a compressed file',
      { status: 200, headers: { 'content-encoding': 'gzip' }, body: 'x' },
      'UNEXPECTED_ANSWER',
      'source.url',
    ],
  ])('%s', async (_title, answer, code, configPath) => {
    const peer = await start({ answer });
    expect(gist(await tryAt(peer))).toEqual({ at: 'file/get', code, configPath });
    expect(peer.requests).toHaveLength(1);
  });

  test('a pre-signed URL that has expired', async () => {
    const result = await tryWith({ query: 'sig=new' }, { urlQuery: 'sig=old' });
    expect(gist(result)).toEqual({ at: 'file/get', code: 'PERMISSION_DENIED', configPath: 'urlQuery' });
  });

  test.each([
    ['gzip', Buffer.from('1f8b0800000000000003', 'hex'), 'compressed by gzip'],
    ['a workbook', Buffer.from('504b030414000600', 'hex'), 'workbook'],
    ['Parquet', Buffer.from('PAR1\x15\x04'), 'Parquet'],
    ['bzip2', Buffer.from('425a6839314159265359', 'hex'), 'compressed by bzip2'],
    ['a web page that begins with a comment', '<!-- sign in --><html></html>', 'web page'],
    ['JSON', '[\n  {"id": 1}\n]\n', 'is JSON'],
    ['lines of JSON', '{"id":1}\n{"id":2}\n', 'is JSON'],
    ['a web page that says that it is CSV', '\n<!DOCTYPE html>\n<title>Sign in</title>', 'web page'],
    ['XML', '<?xml version="1.0"?><Error/>', 'XML'],
  ])('a file of another kind: %s', async (_title, body, hint) => {
    const result = await tryWith({ answer: { status: 200, headers: { 'content-type': 'text/csv' }, body } });
    expect(gist(result)).toEqual({ at: 'file/parse', code: 'FILE_MALFORMED', configPath: 'source.url' });
    expect(result.failure?.hint).toContain(hint);
    if (typeof body !== 'string') return;
    const asContent = await testConnection(csv, content(body));
    expect(gist(asContent)).toMatchObject({ code: 'FILE_MALFORMED', configPath: 'source.content' });
  });

  test('another encoding', async () => {
    expect(gist(await tryWith({ answer: { status: 200, body: Buffer.from('name\nAn\xefs\n', 'latin1') } }))).toEqual({
      at: 'file/parse',
      code: 'FILE_MALFORMED',
      configPath: 'encoding',
    });
  });

  test.each([
    ['a file without an end to its quote', 'a,b\n1,"2\n'],
    ['something behind a closing quote', 'a,b\n"1"x,2\n'],
    ['a file of zeros', 'a,b\n\0\0\0\n'],
    ['an empty file', '\n\n'],
    ['a row of 20,000 values', `a${','.repeat(20_000)}\n`],
  ])('%s', async (_title, text) => {
    const result = await testConnection(csv, content(text));
    expect(gist(result)).toMatchObject({ at: 'file/parse', code: 'FILE_MALFORMED' });
    expect(result.failure?.hint).toBeTruthy();
  });
});

describeHttpFaults(openFileStand, { answersAt: 'file/get', takesLongAnswers: true, takesAnyServer: true });

test('an answer without an end is read as far as it goes, and no further', async () => {
  const result = await tryWith({ misbehave: 'huge-body' });
  expect(gist(result)).toMatchObject({ at: 'file/parse', code: 'FILE_MALFORMED' });
});

describe('the parser', () => {
  test('gives back what was written, whatever it is', () => {
    const value = fc.string({ unit: fc.constantFrom('a', '"', ',', ';', '\n', '\r', ' ', 'é', '\t') });
    const table = fc.array(fc.array(value, { minLength: 1, maxLength: 4 }), { maxLength: 5 });
    fc.assert(
      fc.property(
        table,
        fc.constantFrom(',', ';', '\t'),
        fc.constantFrom('\r\n', '\n', '\r'),
        (rows, delimiter, eol) => {
          const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
          const text = rows.map((row) => row.map(quote).join(delimiter)).join(eol);
          expect([...parseCsv(text, { delimiter })]).toEqual(rows);
          expect([...parseCsv(text + eol, { delimiter })]).toEqual(rows);
        },
      ),
    );
  });

  test('takes any text without ever looping, cut off or not', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r') });
    fc.assert(
      fc.property(text, fc.boolean(), (written, truncated) => {
        try {
          const rows = [...parseCsv(written, { delimiter: ',', truncated })];
          expect(rows.every((row) => row.length > 0)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ report: { code: 'FILE_MALFORMED' } });
        }
      }),
    );
  });

  test.each([
    ['millions of short rows', 'x\n'.repeat(400_000), 1],
    ['rows of thousands of values', `${','.repeat(9_999)}\n`.repeat(40), 10_000],
    ['short rows under a long header', `${'a,'.repeat(9_999)}a\n${'x\n'.repeat(400_000)}`, 10_000],
  ])('%s are read in steps, which a cancel ends', async (_title, text, columns) => {
    const config = csvConfig.parse(content('a'));
    const { signal } = new AbortController();
    const reading = readTable(text, false, config, signal);
    expect(await turnsOf(reading)).toBeGreaterThan(5);
    expect((await reading).columns).toHaveLength(columns);
    const cancelled = readTable(text, false, config, AbortSignal.abort(new Error('cancelled')));
    await expect(cancelled).rejects.toThrow('cancelled');
  });

  test('leaves the row out in which a text was cut off', () => {
    const rows = (text: string) => [...parseCsv(text, { delimiter: ',', truncated: true })];
    expect(rows('a,b\nc,d\ne')).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(rows('a\n"b')).toEqual([['a']]);
    expect(rows('a\n"b"')).toEqual([['a']]);
    expect(rows('a\nb,')).toEqual([['a']]);
  });
});

describeBadConfigs(openFileStand, [
  ...[
    'http://files.example/a.csv',
    'file:///etc/passwd',
    '/etc/passwd',
    'gopher://files.example/a.csv',
    'https://files.example/a.csv?sig=1',
    'https://files.example/a.csv#x',
    'https://user@files.example/a.csv',
    'https://127.1/a.csv',
    'https://2130706433/a.csv',
    'https://localhost./a.csv',
    'https://files.example\\@evil.example/a.csv',
  ].map((url): BadConfig => [url, { source: { url } }, 'source.url', 'INVALID_FORMAT']),
  [
    'a password in the URL',
    { source: { url: 'https://user:pass@files.example/a.csv' } },
    'source.url',
    'SECRET_IN_OPEN_FIELD',
  ],
  ['no source', { source: {} }, 'source', 'EXACTLY_ONE'],
  ['two sources', { source: { url: 'https://files.example/a.csv', content: 'a' } }, 'source', 'EXACTLY_ONE'],
  ['content of 512 KiB and some in UTF-8', content('é'.repeat(256 * 1024 + 1)), 'source.content', 'TOO_LONG'],
  ['a query of content', content('a', { urlQuery: 'x' }), 'urlQuery', 'INVALID_COMBINATION'],
  ['a query with a fragment', { urlQuery: 'a#b' }, 'urlQuery', 'INVALID_FORMAT'],
  ['a quote as delimiter', { delimiter: '"' }, 'delimiter', 'INVALID_VALUE'],
  ['a line break as delimiter', { delimiter: '\n' }, 'delimiter', 'INVALID_VALUE'],
  ['an encoding that is none', { encoding: 'utf-7' }, 'encoding', 'INVALID_VALUE'],
]);

describe('the config', () => {
  test('says where the query of a URL belongs', () => {
    const { error } = csv.config.safeParse({ source: { url: 'https://files.example/a.csv?sig=1' } });
    expect(error?.issues[0]?.message).toContain('`urlQuery`');
    expect(error?.issues[0]?.message).not.toContain('sig');
  });

  test('asks for the query again when the URL changes', () => {
    const before = csv.config.parse(configFor({ urlQuery: 'sig=1' }));
    const after = csv.config.parse({ source: { url: 'https://evil.example/data/clients.csv' }, urlQuery: 'sig=1' });
    expect(changedDestinations(csv, before, after)).toEqual(['source.url']);
  });

  test('takes content of 512 KiB', () => {
    expect(csv.config.safeParse(content('a'.repeat(512 * 1024))).success).toBe(true);
  });
});
