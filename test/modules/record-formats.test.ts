import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../src/errors/api.ts';
import type { JsonObject } from '../../src/modules/data-structures/judge.ts';
import type { FieldType, Structure } from '../../src/modules/data-structures/structure.ts';
import { chosenRow, headerRow, knownColumns, recordRow } from '../../src/modules/managed-data/csv-columns.ts';
import { readCsv } from '../../src/modules/managed-data/csv-reader.ts';
import { chosenLine, jsonLine, readJsonLines } from '../../src/modules/managed-data/json-lines.ts';
import { MAX_LINE, type ReadLine } from '../../src/modules/managed-data/transfer-text.ts';
import { findRepeatedName } from '../../src/platform/json-names.ts';

const MIB = 1_048_576;

function structureOf(fields: Readonly<Record<string, FieldType>>): Structure {
  const none = { label: null, required: false, default: null, choices: null, itemType: null, fields: null };
  return { strict: false, fields: Object.entries(fields).map(([name, type]) => ({ ...none, name, type })) };
}

const ORDERS = structureOf({
  text: 'TEXT',
  total: 'NUMBER',
  paid: 'BOOLEAN',
  at: 'DATE',
  lines: 'ARRAY',
  address: 'COLLECTION',
});

/** The bytes in pieces of a size: what a network does to them. */
async function* pieces(text: string | Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all(lines: AsyncIterable<ReadLine>): Promise<ReadLine[]> {
  const found: ReadLine[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

const readLines = (text: string | Uint8Array, keyField?: string, size?: number) =>
  all(readJsonLines(pieces(text, size), keyField));
const readRows = (text: string | Uint8Array, structure: Structure | null = null, keyField?: string, size?: number) =>
  all(readCsv(pieces(text, size), structure, keyField));

/** `line: path code …` of each line that is refused, and `line` of each that is not. */
const told = (lines: readonly ReadLine[]) =>
  lines.map(({ line, issues }) =>
    [`${line}`, ...issues.map(({ path, code }) => `${path.join('.')} ${code}`)].join(': '),
  );

/** What makes a text unreadable: the line, and why. */
async function unreadable(reading: Promise<unknown>): Promise<string> {
  const error = await reading.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ValidationError)) throw new Error(`not refused: ${String(error)}`);
  const [issue] = error.issues;
  return `${issue?.line}: ${issue?.message}`;
}

const STYLE = { escapesFormulas: false };

describe('JSON lines', () => {
  test('are read with their lines, empty ones passed over, with or without an end, behind a BOM', async () => {
    const text = '\ufeff{"key":"a","data":{"é":"😀"}}\r\n\n  \n{"data":{}}';
    expect(await readLines(text)).toMatchObject([
      { line: 1, record: { key: 'a', data: { é: '😀' } } },
      { line: 4, record: { key: null, data: {} } },
    ]);
    expect(await readLines('')).toEqual([]);
    expect(await readLines('\ufeff')).toEqual([]);
  });

  test('take the key from a field where they have none', async () => {
    const text =
      '{"data":{"id":7}}\n{"key":"k","data":{"id":"x"}}\n{"data":{}}\n{"data":{"id":{}}}\n{"data":{"id":"\\u0000"}}';
    const lines = await readLines(text, 'id');
    expect(lines.map(({ record }) => record?.key)).toEqual(['7', 'k', undefined, undefined, undefined]);
    expect(told(lines).slice(2)).toEqual([
      '3: data.id REQUIRED',
      '4: data.id INVALID_TYPE',
      '5: data.id INVALID_FORMAT',
    ]);
  });

  test.each<[string, string | Uint8Array, string]>([
    ['no JSON', '{"data":', '1:  INVALID_FORMAT'],
    ['a zero byte', '{"data":{"a":"\0"}}', '1:  INVALID_FORMAT'],
    ['wrong UTF-8', Buffer.from('{"data":{"a":"\xff"}}', 'latin1'), '1:  INVALID_FORMAT'],
    ['half a character', Buffer.from('{"data":{"a":"\xf0\x9f"}}', 'latin1'), '1:  INVALID_FORMAT'],
    ['a list', '[]', '1:  INVALID_TYPE'],
    ['null', 'null', '1:  INVALID_TYPE'],
    ['a text', '"key"', '1:  INVALID_TYPE'],
    ['no record', '{"key":"a"}', '1: data REQUIRED'],
    ['another member', '{"data":{},"datas":1}', '1: datas UNKNOWN_FIELD'],
    ['__proto__ beside it', '{"data":{},"__proto__":{}}', '1: __proto__ UNKNOWN_FIELD'],
    ['a key of another type', '{"key":1,"data":{}}', '1: key INVALID_TYPE'],
    ['an empty key', '{"key":"","data":{}}', '1: key TOO_SHORT'],
    ['a long key', `{"key":"${'k'.repeat(257)}","data":{}}`, '1: key TOO_LONG'],
    ['a key with a zero byte', '{"key":"a\\u0000","data":{}}', '1: key INVALID_FORMAT'],
    ['a key with half a character', '{"key":"\\ud83d","data":{}}', '1: key INVALID_FORMAT'],
    ['a name twice', '{"data":{"a":[0,{"b":1,"b":2}]}}', '1: data.a.1.b INVALID_VALUE'],
    ['a name twice, once escaped', '{"data":{"a":1,"\\u0061":2}}', '1: data.a INVALID_VALUE'],
  ])('with %s are refused, and the next is read', async (_name, text, expected) => {
    const lines = await readLines(Buffer.concat([Buffer.from(text), Buffer.from('\n{"key":"b","data":{}}')]));
    expect(told(lines)).toEqual([expected, '2']);
  });

  test('that are none say what a line is', async () => {
    const messages = (await readLines('[\n{"a":1}\n[]')).flatMap(({ issues }) => issues.map(({ message }) => message));
    expect(messages).toHaveLength(4);
    for (const message of messages) expect(message).toContain('{"key": "…", "data": {…}}');
  });

  test('have chosen fields alone where these are named', () => {
    const data = { a: 1, b: [null], c: '=x' };
    expect(chosenLine(['c', 'a', 'none'], 'k', data)).toBe('{"key":"k","data":{"c":"=x","a":1}}\n');
    expect(chosenLine(['none'], 'k', data)).toBe('{"key":"k","data":{}}\n');
  });

  test('of a byte too many are refused, and no more of them is kept', async () => {
    const exactly = `{"data":{"a":"${'x'.repeat(MAX_LINE - 17)}"}}`;
    const text = `${exactly}\n${exactly} \n{"data":{}}`;
    expect(told(await readLines(text, undefined, 65_536))).toEqual(['1', '2:  TOO_LONG', '3']);
    expect(told(await readLines(`${'['.repeat(3 * MIB)}\n{"data":{}}`, undefined, 65_536))).toEqual([
      '1:  TOO_LONG',
      '2',
    ]);
  });

  test('nest as deep as they like until they are judged', async () => {
    const deep = `{"data":${'[{"a":'.repeat(100_000)}1${'}]'.repeat(100_000)}}`;
    expect(told(await readLines(deep, undefined, 65_536))).toEqual(['1']);
  });
});

test('a repeated name is found wherever it stands, and none where there is none', () => {
  const json = fc.jsonValue();
  fc.assert(fc.property(json, (value) => findRepeatedName(JSON.stringify(value)) === null));
  expect(findRepeatedName('[{"a":{}},{"b":[{"c":1},{"c":1,"d":"{\\"c\\":1}","c":2}]}]')).toEqual(['1', 'b', '1', 'c']);
  expect(findRepeatedName('{"a":"x","b":"a","c":{"a":1}}')).toBeNull();
  expect(findRepeatedName(`{"${'\\\\'.repeat(MIB / 4)}":1}`)).toBeNull();
});

describe.each<[string, string | Uint8Array, string]>([
  ['gzip', Buffer.from([0x1f, 0x8b, 0x08, 0x00, 0x01]), '1: This is compressed by gzip: decompress it first.'],
  ['a ZIP file', 'PK\u0003\u0004xlsx', '1: This is a ZIP file, as those of spreadsheets are: save it as text.'],
  ['UTF-16', Buffer.from('\ufeffkey', 'utf16le'), '1: This is UTF-16: save it as UTF-8.'],
  ['UTF-16, the other way', Buffer.from([0xfe, 0xff, 0, 0x61]), '1: This is UTF-16: save it as UTF-8.'],
])('%s', (_name, text, expected) => {
  test('is told', async () => {
    expect(await unreadable(readLines(text))).toBe(expected);
    expect(await unreadable(readRows(text, null, undefined, 1))).toBe(expected);
  });
});

describe('CSV', () => {
  test('is read by the types of the structure', async () => {
    const text = [
      '\ufeff$key,text,total,paid,at,lines,address,other,$data',
      'a,"x, ""y""\r\nz",-12.5e3,TRUE,2026-03-01,"[1,{""a"":null}]","{""city"":""Bonn""}",007,"{""more"":[true]}"',
      'b,,,,,,,,',
      'c,"","","","","","","",""',
    ].join('\r\n');
    const lines = await readRows(text, ORDERS);
    expect(told(lines)).toEqual(['2', '4', '5']);
    expect(lines.map(({ record }) => record)).toEqual([
      {
        key: 'a',
        data: {
          text: 'x, "y"\r\nz',
          total: -12_500,
          paid: true,
          at: '2026-03-01',
          lines: [1, { a: null }],
          address: { city: 'Bonn' },
          other: '007',
          more: [true],
        },
      },
      { key: 'b', data: {} },
      { key: 'c', data: { text: '', other: '' } },
    ]);
  });

  test('is read without a structure as texts, with any ends of lines, empty ones passed over', async () => {
    for (const end of ['\r\n', '\n', '\r']) {
      const text = ['id,n', '1,2', '', '"3","4\r\n5"', '', '"6\n","7\r"', '8,9'].join(end);
      const lines = await readRows(text);
      expect(lines.map(({ line, record }) => [line, record?.data])).toEqual([
        [2, { id: '1', n: '2' }],
        [4, { id: '3', n: '4\r\n5' }],
        [7, { id: '6\n', n: '7\r' }],
        [10, { id: '8', n: '9' }],
      ]);
    }
  });

  test.each<[string, string | Uint8Array, string]>([
    ['a number', 'a,1 000,,,,,', '2: data.total INVALID_TYPE'],
    ['a truth', 'a,,yes,,,,', '2: data.paid INVALID_TYPE'],
    ['a list', 'a,,,,{},,', '2: data.lines INVALID_TYPE'],
    ['JSON', 'a,,,,,{city},', '2: data.address INVALID_FORMAT'],
    ['$data', 'a,,,,,,[]', '2: $data INVALID_TYPE'],
    ['a name in $data that has a column', 'a,1,,,,,"{""total"":2}"', '2: $data.total INVALID_COMBINATION'],
    ['a name twice in $data', 'a,,,,,,"{""z"":1,""z"":2}"', '2: $data.z INVALID_VALUE'],
    ['a key', `"${'k'.repeat(257)}",,,,,,`, '2: key TOO_LONG'],
    ['a value with a zero byte', 'a,\0,,,,,', '2: data.total INVALID_FORMAT'],
    ['a value that is no UTF-8', Buffer.from('a,\xff,,,,,', 'latin1'), '2: data.total INVALID_FORMAT'],
    ['a row with too few values', 'a,1', '2:  INVALID_FORMAT'],
    ['a row with too many values', 'a,,,,,,,', '2:  INVALID_FORMAT'],
  ])('with %s that is none is refused, and the next row is read', async (_name, row, expected) => {
    const header = '$key,total,paid,at,lines,address,$data\n';
    const text = Buffer.concat([Buffer.from(header), Buffer.from(row), Buffer.from('\nb,,,,,,\n')]);
    expect(told(await readRows(text, ORDERS))).toEqual([expected, '3']);
  });

  test.each<[string, string | Uint8Array, string]>([
    ['nothing', '', '1: There is no first row with the names of the columns.'],
    ['a column without a name', 'a,,b\n', '1: Column 2 has no name: name each field once.'],
    ['a column twice', 'a,b,a\n', '1: Column 3 has the name of one before it: name each field once.'],
    ['__proto__', '__proto__\n', '1: Column 1 is called __proto__, which no field may be: name each field once.'],
    ['a zero byte', 'a,b\0\n', '1: Column 2 has a name with a zero byte: name each field once.'],
    [
      'wrong UTF-8',
      Buffer.from('\xe9t\xe9,b\n', 'latin1'),
      '1: Column 1 has a name that is no UTF-8: name each field once.',
    ],
    [
      'semicolons',
      'a;b\n1;2\n',
      '1: The first row has semicolons and no comma: separate values by commas, or quote the name of the one column.',
    ],
    [
      'tabs',
      'a\tb\n1\t2\n',
      '1: The first row has tabs and no comma: separate values by commas, or quote the name of the one column.',
    ],
    [
      'lines of JSON',
      '{"key":"a","data":{}}\n',
      '1: This is JSON, and no CSV: send records in lines of JSON as jsonl.',
    ],
    [
      'JSON of several lines',
      '[\n  {"a": 1}\n]\n',
      '2: This is JSON, and no CSV: send records in lines of JSON as jsonl.',
    ],
    ['too many columns', `${'a,'.repeat(1_000)}a\n`, '1: A row has at most 1000 values.'],
    ['an open quote', 'a,b\n1,2\n3,"4\n5,6\n', '3: A quote is opened in this row or behind it and never closed.'],
    [
      'something behind a quote',
      'a,b\n"1\n2",3\n4,"5"6\n',
      '4: Something stands behind a closing quote in this row: a quote within quotes is doubled.',
    ],
    [
      'a quote within a value',
      'a,b\n1,6" wide\n',
      '2: A quote stands within a value without quotes in this row: quote the value, and double it.',
    ],
    [
      'a row of a byte too many',
      `a,b\n1,2\n${'x'.repeat(MIB)},2`,
      '3: A row has at most 1048576 bytes: look for a quote that is not closed.',
    ],
    [
      'many values of a byte too many',
      `${'a'.repeat(600_000)},${'b'.repeat(600_000)}\n`,
      '1: A row has at most 1048576 bytes: look for a quote that is not closed.',
    ],
  ])('with %s cannot be read on', async (_name, text, expected) => {
    expect(await unreadable(readRows(text, null, undefined, 65_536))).toBe(expected);
  });

  test('of one column is read, also where something else might separate several', async () => {
    const dataOf = async (text: string, structure: Structure | null = null) =>
      (await readRows(text, structure)).map(({ record }) => record?.data);
    expect(await dataOf('a\n1;2\n')).toEqual([{ a: '1;2' }]);
    expect(await dataOf('"a;b"\n1\n')).toEqual([{ 'a;b': '1' }]);
    expect(await dataOf('a;b\n1\n', structureOf({ 'a;b': 'NUMBER' }))).toEqual([{ 'a;b': 1 }]);
    expect(await dataOf('{a},b\n1,2\n')).toEqual([{ '{a}': '1', b: '2' }]);
  });

  test('gives back what was written, whatever the records are', async () => {
    const name = fc.oneof(
      fc.constantFrom(...ORDERS.fields.map((field) => field.name), '$key', '$data', ''),
      fc.string(),
    );
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '=1+1', '\r', '\ud83d', 'a\0b', ' x '));
    const value = fc.oneof(text, fc.jsonValue(), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }));
    const data = fc
      .uniqueArray(fc.tuple(name, value), { selector: ([key]) => key })
      .map((entries) => JSON.parse(JSON.stringify(Object.fromEntries(entries.filter(([key]) => key !== '__proto__')))));
    const structure = fc.constantFrom(ORDERS, null, structureOf({ $key: 'TEXT', $data: 'COLLECTION' }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(data, { maxLength: 4 }),
        structure,
        fc.integer({ min: 1, max: 50 }),
        async (records, known, size) => {
          const columns = knownColumns(known);
          const rows = records.map((one, at) => recordRow(columns, `k${at}`, one as JsonObject, STYLE));
          const read = await readRows(`${headerRow(columns, true, STYLE)}${rows.join('')}`, known, undefined, size);
          expect(read.flatMap(({ issues }) => issues)).toEqual([]);
          expect(read.map(({ record }) => record)).toEqual(records.map((one, at) => ({ key: `k${at}`, data: one })));
          const lines = records.map((one, at) => jsonLine(`k${at}`, JSON.stringify(one)));
          expect((await readLines(lines.join(''), undefined, size)).map(({ record }) => record)).toEqual(
            records.map((one, at) => ({ key: `k${at}`, data: one })),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  test('of chosen fields is for who looks at them, formulas made harmless where that is asked for', () => {
    const data = { a: '=1+1', b: -1, c: null, d: ['-x'], e: '\ttab', f: '@SUM(A1)', g: "it's" };
    const names = [...Object.keys(data), 'none'];
    expect(chosenRow(names, '+k', data, STYLE)).toBe(`+k,=1+1,-1,,"[""-x""]",\ttab,@SUM(A1),it's,\r\n`);
    const escaped = { escapesFormulas: true };
    expect(chosenRow(names, '+k', data, escaped)).toBe(`'+k,'=1+1,-1,,"[""-x""]",'\ttab,'@SUM(A1),it's,\r\n`);
    const columns = knownColumns(structureOf({ '=a': 'TEXT', n: 'NUMBER' }));
    expect(headerRow(columns, true, escaped)).toBe("$key,'=a,n,$data\r\n");
    expect(recordRow(columns, 'k', { '=a': '-1', n: -1 }, escaped)).toBe("k,'-1,-1,\r\n");
  });
});
