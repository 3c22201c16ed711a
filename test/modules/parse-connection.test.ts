import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { sqliteFiles } from '../support/sealed-record.ts';

const PARSE = `query Parse($type: DatastoreType, $text: String!) {
  parseConnection(type: $type, text: $text) {
    __typename
    ... on ParseConnectionSuccess {
      type configJson connector { configKey secretPaths } ignored { name reason } issues { path configPath code message }
    }
    ... on UserError { code issues { path configPath code message } }
  }
}`;
const TEXT = 'postgres://app:Cn4ry-9f2c@db.example.com/shop?sslmode=prefer&application_name=x';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

async function parse(variables: object, token?: string) {
  const { json } = await gateway.send({ query: PARSE, variables }, token);
  return json.data?.parseConnection as Record<string, unknown>;
}

describe('parseConnection', () => {
  test('answers a config that createDatastore takes as it comes, to a token without scopes', async () => {
    const token = await gateway.createToken('nobody', []);
    const answer = await parse({ text: TEXT }, token);
    expect(answer).toMatchObject({
      __typename: 'ParseConnectionSuccess',
      type: 'POSTGRES',
      configJson: {
        host: 'db.example.com',
        username: 'app',
        password: 'Cn4ry-9f2c',
        database: 'shop',
        tls: { mode: 'REQUIRE' },
      },
      connector: { configKey: 'postgres', secretPaths: expect.arrayContaining(['password']) },
      ignored: [{ name: 'sslmode' }, { name: 'application_name' }],
      issues: [],
    });
    const input = { config: { postgres: answer.configJson }, label: 'pasted' };
    const query = 'mutation ($input: CreateDatastoreInput!) { createDatastore(input: $input) { __typename } }';
    const { json } = await gateway.send({ query, variables: { input } });
    expect(json.data).toEqual({ createDatastore: { __typename: 'CreateDatastoreSuccess' } });
  });

  test('names the fields that the text does not hold', async () => {
    const { issues } = await parse({ text: 'mysql://db.example.com/shop' });
    expect(issues).toEqual([
      { path: ['text'], configPath: 'username', code: 'REQUIRED', message: 'A value is missing.' },
    ]);
  });

  test.each([
    ['words', { text: 'no connection at all Cn4ry-9f2c' }, 'text', 'INVALID_FORMAT'],
    ['another type’s text', { type: 'MYSQL', text: TEXT }, 'text', 'INVALID_FORMAT'],
    ['a text that several types have', { text: 'Server=a.example;Uid=b;Pwd=Cn4ry-9f2c' }, 'type', 'REQUIRED'],
    ['an empty text', { text: '' }, 'text', 'TOO_SHORT'],
    ['a long text', { text: `${TEXT}&x=${'Cn4ry-9f2c'.repeat(6_554)}` }, 'text', 'TOO_LONG'],
    ['a long text of long letters', { text: `${TEXT}&x=${'漢'.repeat(22_000)}` }, 'text', 'TOO_LONG'],
  ])('refuses %s at its argument, and says nothing of it again', async (_what, variables, path, code) => {
    const { issues, ...rest } = await parse(variables);
    expect(rest).toEqual({ __typename: 'ValidationError', code: 'VALIDATION_FAILED' });
    expect(issues).toEqual([{ path: [path], configPath: null, code, message: expect.stringMatching(/\.|·/) }]);
    expect(JSON.stringify(issues)).not.toContain('Cn4ry');
  });

  test('is refused by GET, whose URL would stand in logs, and is not to be cached', async () => {
    const ask = (query: string, init: RequestInit = {}) => {
      const url = new URL('/graphql', gateway.url);
      if (!init.method) url.searchParams.set('query', query);
      return fetch(url, {
        ...init,
        headers: {
          authorization: `Bearer ${gateway.token}`,
          'content-type': 'application/json',
          accept: 'application/json',
        },
      });
    };
    const selection = '{ __typename }';
    const inFragment = `{ ...F } fragment F on Query { p: parseConnection(text: "gs://shop") ${selection} }`;
    for (const query of [`{ parseConnection(text: "gs://shop") ${selection} }`, inFragment]) {
      const refused = await ask(query);
      expect(refused.status).toBe(405);
      expect(refused.headers.get('allow')).toBe('POST');
      const taken = await ask('', { method: 'POST', body: JSON.stringify({ query }) });
      expect(taken.status).toBe(200);
      expect(taken.headers.get('cache-control')).toBe('no-store');
    }
    expect((await ask('{ viewer { token { name } } }')).status).toBe(200);
  });

  test('is not compressed, for its length would tell of the secrets in it', async () => {
    const encodingOf = async (query: string) => {
      const headers = {
        authorization: `Bearer ${gateway.token}`,
        'content-type': 'application/json',
        'accept-encoding': 'br',
      };
      const answer = await fetch(`${gateway.url}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query }),
      });
      expect((await answer.text()).length).toBeGreaterThan(1_024);
      return answer.headers.get('content-encoding');
    };
    const large = 'connectors { title description }';
    expect(await encodingOf(`{ ${large} }`)).toBe('br');
    expect(await encodingOf(`{ ${large} parseConnection(text: "gs://shop") { __typename } }`)).toBeNull();
  });

  test('stores nothing and logs nothing', async () => {
    gateway.statements.length = 0;
    await parse({ text: TEXT.replace('9f2c', '7d1e') });
    await parse({ text: TEXT.replace('9f2c', '7d1e'), type: 'MYSQL' });
    expect(gateway.statements.filter((sql) => !/^\s*select/i.test(sql))).toEqual([]);
    expect(gateway.log()).not.toContain('Cn4ry');
    expect((await sqliteFiles(gateway.databaseUrl)).includes('Cn4ry-7d1e')).toBe(false);
  });
});
