import { describe, expect, test } from 'vitest';
import { canary, canaryName, goodToken, overWebSocket, startEdge, type TestEdge } from './edge.ts';

interface Bad {
  readonly title: string;
  readonly query: string;
  readonly variables?: Record<string, unknown>;
  readonly code: string;
  /** Path and code of each issue. */
  readonly issues?: readonly [path: string, code: string][];
  /** What the message must say all the same. */
  readonly says?: string;
}

const create = 'mutation Create($input: CreateDatastoreInput!) { createDatastore(input: $input) }';
const refused = (title: string, input: unknown, ...issues: [string, string][]): Bad => ({
  title,
  query: create,
  variables: { input },
  code: 'BAD_USER_INPUT',
  issues,
});
const echo = (argument: string, ...issues: [string, string][]): Bad => ({
  title: `literal ${argument}`.replace(canary, 'CANARY').replace(canaryName, 'CANARY'),
  query: `{ echo(${argument}) }`,
  code: 'BAD_USER_INPUT',
  issues,
});
const invalid = (title: string, query: string, says: string): Bad => ({
  title,
  query,
  code: 'GRAPHQL_VALIDATION_FAILED',
  says,
});
const syntax = (title: string, query: string, says: string): Bad => ({
  title,
  query,
  code: 'GRAPHQL_PARSE_FAILED',
  says,
});
const text = JSON.stringify(canary);

const table: readonly Bad[] = [
  // variables
  refused('two keys in a @oneOf', { config: { s3: { bucket: canary }, postgres: { host: canary } } }, [
    'input.config',
    'EXACTLY_ONE',
  ]),
  refused('no key in a @oneOf', { label: canary, config: {} }, ['input.config', 'EXACTLY_ONE']),
  refused('null in a @oneOf', { label: canary, config: { s3: null } }, ['input.config.s3', 'REQUIRED']),
  refused('text for an object', { config: canary }, ['input.config', 'INVALID_TYPE']),
  refused('a list for an object', { config: [canary] }, ['input.config', 'INVALID_TYPE']),
  refused('text for a number', { config: { s3: { bucket: 'b', port: canary } } }, [
    'input.config.s3.port',
    'INVALID_TYPE',
  ]),
  refused('a number that is too large', { config: { s3: { bucket: canary, port: 2 ** 40 } } }, [
    'input.config.s3.port',
    'OUT_OF_RANGE',
  ]),
  refused('a broken number', { config: { s3: { bucket: canary, port: 1.5 } } }, [
    'input.config.s3.port',
    'INVALID_TYPE',
  ]),
  refused('an object for text', { config: { s3: { bucket: { [canaryName]: canary } } } }, [
    'input.config.s3.bucket',
    'INVALID_TYPE',
  ]),
  refused('a number for text', { config: { s3: { bucket: 7, secretAccessKey: canary } } }, [
    'input.config.s3.bucket',
    'INVALID_TYPE',
  ]),
  refused('no enum value', { config: { s3: { bucket: 'b', tls: { mode: canary } } } }, [
    'input.config.s3.tls.mode',
    'INVALID_VALUE',
  ]),
  refused('no text for an enum', { config: { s3: { bucket: 'b', tls: { mode: { a: canary } } } } }, [
    'input.config.s3.tls.mode',
    'INVALID_TYPE',
  ]),
  refused('a field that is missing', { config: { s3: { secretAccessKey: canary } } }, [
    'input.config.s3.bucket',
    'REQUIRED',
  ]),
  refused('null where a value must be', { config: { s3: { bucket: null, secretAccessKey: canary } } }, [
    'input.config.s3.bucket',
    'REQUIRED',
  ]),
  refused('an unknown field', { config: { s3: { bucket: 'b', secretAccesKey: canary } } }, [
    'input.config.s3.secretAccesKey',
    'UNKNOWN_FIELD',
  ]),
  refused('a secret as the name of a field', { config: { s3: { bucket: 'b', [canaryName]: 1 } } }, [
    'input.config.s3',
    'UNKNOWN_FIELD',
  ]),
  refused('a secret with signs as the name of a field', { config: { [canary]: {} } }, [
    'input.config',
    'UNKNOWN_FIELD',
  ]),
  refused('__proto__', JSON.parse(`{"config":{"s3":{"bucket":"b","__proto__":${text}}}}`), [
    'input.config.s3',
    'UNKNOWN_FIELD',
  ]),
  refused('half of a character', { config: { s3: { bucket: `b\ud800${canary}` } } }, [
    'input.config.s3.bucket',
    'INVALID_FORMAT',
  ]),
  refused('halves of characters in a list', { config: { s3: { bucket: 'b' } }, tags: ['a', `${canary}\udc00`] }, [
    'input.tags.1',
    'INVALID_FORMAT',
  ]),
  refused('in a list', { config: { s3: { bucket: 'b' } }, tags: ['a', { x: canary }] }, [
    'input.tags.1',
    'INVALID_TYPE',
  ]),
  refused(
    'in a list of objects, several at once',
    {
      config: { s3: { bucket: 'b' } },
      more: [{ s3: { bucket: 1, port: canary } }, { postgres: { password: canary } }],
    },
    ['input.more.0.s3.bucket', 'INVALID_TYPE'],
    ['input.more.0.s3.port', 'INVALID_TYPE'],
    ['input.more.1.postgres.host', 'REQUIRED'],
  ),
  {
    title: 'a variable that is missing',
    query: create,
    variables: { inputs: canary },
    code: 'BAD_USER_INPUT',
    issues: [['input', 'REQUIRED']],
  },
  {
    title: 'null for a variable',
    query: create,
    variables: { input: null, x: canary },
    code: 'BAD_USER_INPUT',
    issues: [['input', 'REQUIRED']],
  },
  {
    title: 'a custom scalar',
    query: 'query ($at: DateTime) { echo(at: $at) }',
    variables: { at: [canary] },
    code: 'BAD_USER_INPUT',
    issues: [['at', 'INVALID_FORMAT']],
  },
  {
    title: 'a secret as the name of a variable',
    query: `query ($${canaryName}: Int) { echo(number: $${canaryName}) }`,
    variables: { [canaryName]: canary },
    code: 'BAD_USER_INPUT',
    issues: [['number', 'INVALID_TYPE']],
  },
  {
    title: 'a default value',
    query: `query ($color: Color = ${canaryName}) { echo(color: $color) }`,
    code: 'BAD_USER_INPUT',
    issues: [['color', 'INVALID_VALUE']],
  },
  // values in the document
  echo(`number: ${text}`, ['number', 'INVALID_TYPE']),
  echo(`number: 99999999999`, ['number', 'OUT_OF_RANGE']),
  echo(`float: ${text}`, ['float', 'INVALID_TYPE']),
  echo(`yes: ${text}`, ['yes', 'INVALID_TYPE']),
  echo(`id: {a: ${text}}`, ['id', 'INVALID_TYPE']),
  echo(`text: ${canaryName}`, ['text', 'INVALID_TYPE']),
  echo(`text: [${text}]`, ['text', 'INVALID_TYPE']),
  echo(`color: ${text}`, ['color', 'INVALID_TYPE']),
  echo(`color: ${canaryName}`, ['color', 'INVALID_VALUE']),
  echo(`ids: [${text}, {a: ${text}}]`, ['ids.1', 'INVALID_TYPE']),
  echo(`number: ${text}, float: ${text}`, ['number', 'INVALID_TYPE'], ['float', 'INVALID_TYPE']),
  {
    title: 'a literal that is wrong in several places',
    query: `mutation { createDatastore(input: {config: {s3: {bucket: ${canaryName}, port: ${text}, tls: {mode: ${canaryName}}, ${canaryName}: 1}, postgres: {host: ${text}}}}) }`,
    code: 'BAD_USER_INPUT',
    issues: [
      ['input.config.s3', 'UNKNOWN_FIELD'],
      ['input.config.s3.bucket', 'INVALID_TYPE'],
      ['input.config.s3.port', 'INVALID_TYPE'],
      ['input.config.s3.tls.mode', 'INVALID_VALUE'],
      ['input.config', 'EXACTLY_ONE'],
    ],
  },
  {
    title: 'a literal in which only a variable is wrong',
    query: `query ($inner: String) { required(text: "a", input: {text: $inner, secret: ${text}}) }`,
    code: 'GRAPHQL_VALIDATION_FAILED',
  },
  {
    title: 'a literal that turns out wrong as its field runs',
    query: `query ($inner: String = "a") { required(text: "a", input: {text: $inner, secret: ${text}}) }`,
    variables: { inner: null },
    code: 'BAD_USER_INPUT',
    issues: [['input', 'INVALID_VALUE']],
  },
  // the document
  invalid('an unknown field', `{ ${canaryName} }`, 'Cannot query field "…" on type "Query".'),
  invalid(
    'a field that is nearly right',
    `{ nod { name } }`,
    'Cannot query field "nod" on type "Query". Did you mean "node"?',
  ),
  invalid('an unknown argument', `{ echo(${canaryName}: ${text}) }`, 'Unknown argument "…" on field "Query.echo".'),
  invalid('an unknown type', `query ($a: ${canaryName}) { echo(text: $a) }`, 'Unknown type "…".'),
  invalid('an unknown directive', `{ me @${canaryName}(x: ${text}) }`, 'Unknown directive "…".'),
  invalid('an unknown fragment', `{ ...${canaryName} }`, 'Unknown fragment "…".'),
  invalid('a variable without definition', `{ echo(text: $${canaryName}) }`, 'Variable "…" is not defined.'),
  invalid(
    'a missing argument',
    `{ required(input: {text: ${text}}) }`,
    'Field "required" argument "text" of type "String!" is required, but it was not provided.',
  ),
  invalid('fields in conflict', `{ a: echo(text: ${text}) a: echo(text: "b") }`, 'they have differing arguments'),
  invalid('a field without selection', '{ node }', 'must have a selection of subfields'),
  syntax('a name where none may be', `{ me(${canaryName}) }`, 'Expected ":", found ")" at line 1'),
  syntax('a string where none may be', `{ me ${text} }`, 'Expected Name, found String at line 1, column 6.'),
  syntax('a stray word', `${canaryName} { me }`, 'Unexpected Name at line 1, column 1.'),
  syntax('a string without end', `{ echo(text: "${canary}) }`, 'Unterminated string'),
  syntax('a bad escape', `{ echo(text: "\\q${canary}") }`, 'Unexpected text at line 1'),
  syntax('a reserved word', `{ echo(color: null) } fragment on on Query { ${canaryName} }`, 'Unexpected Name'),
  syntax('a number that is none', `{ echo(number: 1${canaryName}) }`, 'Unexpected text at line 1'),
];

type Reply = {
  errors: { message: string; extensions: { code: string; issues?: { path: string[]; code: string }[] } }[];
};

/** The same operation in all the ways that there are. */
const ways: Record<string, (edge: TestEdge, bad: Bad) => Promise<string>> = {
  'application/json': async (edge, { query, variables }) => (await edge.post({ query, variables })).text(),
  'application/graphql-response+json': async (edge, { query, variables }) =>
    (await edge.post({ query, variables }, { accept: 'application/graphql-response+json' })).text(),
  SSE: async (edge, { query, variables }) =>
    (await edge.post({ query, variables }, { accept: 'text/event-stream' })).text(),
  GET: async (edge, { query, variables = {} }) =>
    (await edge.get({ query: query.replace('mutation', 'query'), variables: JSON.stringify(variables) })).text(),
  WebSocket: (edge, { query, variables }) => overWebSocket(edge.client(), { query, variables }),
};

describe('no value comes back', () => {
  test.each(table.map((bad) => [bad.title, bad] as const))('%s', async (_title, bad) => {
    const edge = await startEdge();
    for (const [way, send] of Object.entries(ways)) {
      const reply = await send(edge, bad);
      for (const secret of [canary, canaryName, text.slice(1, -1)]) expect(reply, way).not.toContain(secret);
      if (way !== 'GET') expect(reply, way).toContain(bad.code);
    }
    expect(edge.witness.mutations).toBe(0);
    expect(edge.log()).not.toContain(canaryName);
    expect(edge.log()).not.toContain(canary);
  });

  test.each(table.map((bad) => [bad.title, bad] as const))('%s: says what to mend', async (_title, bad) => {
    const edge = await startEdge();
    const { query, variables } = bad;
    const answer = await edge.post({ query, variables }, { accept: 'application/graphql-response+json' });
    const { errors } = (await answer.json()) as Reply;
    expect(errors.map(({ extensions }) => extensions.code)).toContain(bad.code);
    const issues = errors.flatMap(({ extensions }) => extensions.issues ?? []);
    expect(issues.map(({ path, code }) => [path.join('.'), code])).toEqual(bad.issues ?? []);
    if (bad.says) expect(errors.map(({ message }) => message).join('\n')).toContain(bad.says);
  });
});

describe('an issue’s path begins with the argument, whatever the variable is called', () => {
  const bucket = ['input.config.s3.bucket', 'bucket'];
  const s3 = { bucket: 7 };
  test.each<[string, Record<string, unknown>, (string | null)[]]>([
    ['mutation ($data: CreateDatastoreInput!) { createDatastore(input: $data) }', { data: { config: { s3 } } }, bucket],
    [
      'mutation ($config: CreateDatastoreInput!) { createDatastore(input: $config) }',
      { config: { config: { s3 } } },
      bucket,
    ],
    ['mutation ($c: DatastoreConfigInput!) { createDatastore(input: { config: $c }) }', { c: { s3 } }, bucket],
    ['mutation ($s3: S3ConfigInput!) { createDatastore(input: { config: { s3: $s3 } }) }', { s3 }, bucket],
    [
      'mutation ($mode: TlsMode) { createDatastore(input: { config: { s3: { bucket: "b", tls: { mode: $mode } } } }) }',
      { mode: 'NONE' },
      ['input.config.s3.tls.mode', 'tls.mode'],
    ],
    [
      'mutation ($tag: String!) { createDatastore(input: { tags: ["a", $tag], config: { s3: { bucket: $tag } } }) }',
      { tag: 7 },
      ['input.tags.1', null],
    ],
    [
      'mutation ($c: DatastoreConfigInput!) { ...F } fragment F on Mutation { createDatastore(input: { config: $c }) }',
      { c: { s3 } },
      bucket,
    ],
    ['mutation ($s3: S3ConfigInput! = { bucket: 7 }) { createDatastore(input: { config: { s3: $s3 } }) }', {}, bucket],
    ['mutation ($data: CreateDatastoreInput!) { createDatastore(input: $data) }', {}, ['input', null]],
  ])('%s', async (query, variables, [path, configPath]) => {
    const edge = await startEdge();
    for (const way of ['application/graphql-response+json', 'SSE', 'WebSocket'] as const) {
      const reply = await ways[way]?.(edge, { title: query, query, variables, code: 'BAD_USER_INPUT' });
      const issue = JSON.stringify({ path: path?.split('.'), configPath }).slice(1, -1);
      expect(reply, way).toContain(issue);
      expect(reply?.match(/"path":/g), way).toHaveLength(1);
    }
    expect(edge.witness.mutations).toBe(0);
  });
});

describe('bodies that are no GraphQL over HTTP', () => {
  const bodies: [string, string, string][] = [
    ['broken JSON', `{"query": "{ me }", "variables": {"a": ${text}`, 'The body is no JSON.'],
    ['text', text, 'must be a JSON object'],
    ['a batch', `[{"query": "{ me }", "x": ${text}}]`, 'Batches are not taken'],
    [
      'an unknown parameter',
      `{"query": "{ me }", ${text}: 1}`,
      'Only query, variables, operationName, extensions are taken.',
    ],
    [
      'variables that nest too deep',
      `{"query": "{ me }", "variables": {"a": ${'['.repeat(400_000)}${']'.repeat(400_000)}}}`,
      'variables nest more than 1000 deep.',
    ],
    ['variables that are no object', `{"query": "{ me }", "variables": ${text}}`, 'variables must be a JSON object.'],
    ['a query that is none', `{"query": [${text}]}`, 'query must be the text of a GraphQL document.'],
    [
      'an operation that there is not',
      `{"query": "query A { me } query B { me }", "operationName": ${text}}`,
      'operationName must name one',
    ],
  ];
  test.each(bodies)('%s', async (_title, body, says) => {
    const edge = await startEdge();
    const answer = await edge.post(body);
    const reply = await answer.text();
    expect(answer.status).toBe(400);
    expect(reply).not.toContain(text.slice(1, -1));
    expect(reply).toContain(says);
    expect(reply).toContain('BAD_REQUEST');
  });

  const twice = (input: string) =>
    JSON.stringify({ query: create, variables: { input: 'INPUT' } }).replace('"INPUT"', input);
  const ordinary = `{"config": {"s3": {"bucket": "a", "secretAccessKey": ${text}, "bucket": "b"}}}`;
  const repeated: [string, string, string[]][] = [
    ['a field', ordinary, ['variables', 'input', 'config', 's3', 'bucket']],
    [
      'an escaped one',
      ordinary.replace('"bucket"', '"b\\u0075cket"'),
      ['variables', 'input', 'config', 's3', 'bucket'],
    ],
    ['in a list', '{"tags": ["a", {"x": 1, "x": 2}]}', ['variables', 'input', 'tags', '1', 'x']],
    ['what may be a secret', `{"config": {${text}: 1, ${text}: 2}}`, ['variables', 'input', 'config']],
  ];
  test.each(repeated)('a name that a mutation has twice: %s', async (_title, input, path) => {
    const edge = await startEdge();
    const body = twice(input);
    for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream']) {
      const answer = await edge.post(body, { accept });
      expect(answer.status, accept).toBe(400);
      const reply = await answer.text();
      expect(reply, accept).toContain(`"issues":[{"path":${JSON.stringify(path)},`);
      expect(reply, accept).not.toContain(canary);
    }
    expect(edge.witness.mutations).toBe(0);
    const query = body.replace(create, 'query Echo($input: Anything) { me }');
    expect(await (await edge.post(query)).text()).not.toContain('twice');
  });

  test('a hash in the place of a query has a client send the query', async () => {
    const edge = await startEdge();
    const extensions = { persistedQuery: { version: 1, sha256Hash: canary } };
    const expected = {
      errors: [{ message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } }],
    };
    const statuses = { 'application/json': 200, 'application/graphql-response+json': 400 };
    for (const [accept, status] of Object.entries(statuses)) {
      const answers = [
        await edge.post({ extensions }, { accept }),
        await edge.get({ extensions: JSON.stringify(extensions) }, { accept }),
      ];
      for (const answer of answers) {
        expect(answer.status, accept).toBe(status);
        expect(await answer.json(), accept).toEqual(expected);
      }
    }
    expect(await (await edge.post({ query: '{ me }', extensions })).json()).toEqual({ data: { me: 'Ann' } });
  });

  test('JSON in a URL that is none', async () => {
    const edge = await startEdge();
    const answer = await edge.get({ query: '{ me }', variables: `{"a": ${canary}` });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({
      errors: [{ message: 'variables is no JSON.', extensions: { code: 'BAD_REQUEST' } }],
    });
  });
});

describe('errors of resolvers', () => {
  test.each(Object.entries(ways))('an unexpected one has an id that the log has: %s', async (_way, send) => {
    const edge = await startEdge();
    const reply = await send(edge, { title: '', query: '{ me crash }', code: '' });
    expect(reply).not.toContain(canary);
    expect(reply).toContain('Unexpected error.');
    expect(reply).toContain('"path":["crash"]');
    expect(reply).toContain('Ann');
    const errorId = /"errorId":"([0-9a-f-]{36})"/.exec(reply)?.[1] ?? 'none';
    const line = edge
      .log()
      .split('\n')
      .find((each) => each.includes(errorId));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      level: 50,
      msg: 'unexpected error',
      err: { stack: expect.stringContaining('edge.ts') },
    });
    expect(reply).not.toContain('"http"');
    expect(reply).not.toContain('"unexpected"');
  });

  test('a result that the schema does not know is unexpected', async () => {
    const edge = await startEdge();
    const reply = await (await edge.post({ query: '{ badColor }' })).text();
    expect(reply).toContain('INTERNAL');
    expect(reply).not.toContain(canary);
    expect(edge.log()).toContain('unexpected error');
  });

  test.each(Object.entries(ways))('expected ones keep their code: %s', async (_way, send) => {
    const edge = await startEdge();
    const reply = await send(edge, { title: '', query: '{ fault invalid }', code: '' });
    expect(reply).toContain('"code":"FORBIDDEN"');
    expect(reply).toContain('The token lacks the scope DATASTORES_READ.');
    expect(reply).toContain('"code":"BAD_USER_INPUT"');
    expect(reply).toContain(
      '"issues":[{"path":["first"],"configPath":null,"code":"OUT_OF_RANGE","message":"1 to 100."}]',
    );
    expect(edge.log()).not.toContain('unexpected');
  });

  test('a stream that breaks ends with a masked error, over SSE and WebSocket', async () => {
    const edge = await startEdge();
    const query = 'subscription { crashes }';
    const overSse = await (await edge.post({ query }, { accept: 'text/event-stream' })).text();
    const overWs = await overWebSocket(edge.client(), { query });
    for (const reply of [overSse, overWs]) {
      expect(reply).toContain('{"crashes":1}');
      expect(reply).toContain('Unexpected error.');
      expect(reply).toContain('errorId');
      expect(reply).not.toContain(canary);
    }
  });

  test('a context that cannot be made is an unexpected error', async () => {
    const edge = await startEdge({
      createContext: () => {
        throw new Error(canary);
      },
    });
    const answer = await edge.post({ query: '{ me }' });
    expect(answer.status).toBe(500);
    const overWs = await overWebSocket(edge.client(), { query: '{ me }' });
    for (const reply of [await answer.text(), overWs]) {
      expect(reply).toContain('INTERNAL');
      expect(reply).not.toContain(canary);
    }
  });

  test('a token in the reply of a refused request there is not', async () => {
    const edge = await startEdge();
    const answer = await edge.post({ query: '{ me }' }, { authorization: `Bearer ${canary}` });
    expect(await answer.text()).not.toContain(canary);
    expect(edge.log()).not.toContain(canary);
    expect(edge.log()).not.toContain(goodToken);
  });
});
