import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getIntrospectionQuery } from 'graphql';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { goodToken, overWebSocket, raw, startEdge } from './edge.ts';

const nested = (fields: number) => `${'{ node { '.repeat(1)}${'next { '.repeat(fields - 2)}name${' }'.repeat(fields)}`;
const many = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => make(index)).join(' ');

interface Case {
  readonly title: string;
  readonly within: string;
  readonly over: string;
  readonly says: string;
}

const cases: readonly Case[] = [
  { title: 'depth', within: nested(10), over: nested(11), says: 'The document nests fields 11 deep; the limit is 10.' },
  {
    title: 'depth through fragments',
    within: `{ node { ...A } } fragment A on Node { next { ...B } } fragment B on Node { next { ... on Node { next { next { next { next { next { next { name } } } } } } } } }`,
    over: `{ node { ...A } } fragment A on Node { next { ...B } } fragment B on Node { next { ... on Node { next { next { next { next { next { next { next { name } } } } } } } } } }`,
    says: 'The document nests fields 11 deep; the limit is 10.',
  },
  {
    title: 'tokens',
    within: `{ required(text: "a", input: {text: "b"}) echo(ids: [${many(978, () => '"i"')}]) }`,
    over: `{ required(text: "a", input: {text: "b"}) echo(ids: [${many(979, () => '"i"')}]) }`,
    says: 'The document has more than 1000 tokens.',
  },
  {
    title: 'directives',
    within: `{ ${many(8, () => 'me @include(if: true)')} }`,
    over: `{ ${many(9, () => 'me @include(if: true)')} }`,
    says: 'The document has 9 directives; the limit is 8.',
  },
  {
    // names cost nothing, what is asked for under each does: 300 of a field pass, 2 of a large page do not
    title: 'cost by aliases',
    within: `{ ${many(300, (index) => `a${index}: me`)} }`,
    over: `{ node { ${many(2, (index) => `a${index}: all(first: 100) { nodes { all(first: 100) { nodes { name } } } }`)} } }`,
    says: 'The operation may ask for 60805 fields; the limit is 50000. Most of them are at node.all.nodes.all.nodes.name: ask',
  },
  {
    title: 'cost by aliases in fragments',
    within: `{ ...A } fragment A on Query { ${many(300, (index) => `a${index}: me`)} }`,
    over: `{ node { ...A next { ...A } } } fragment A on Node { all(first: 100) { nodes { all(first: 100) { nodes { name } } } } }`,
    says: 'The operation may ask for 60806 fields; the limit is 50000.',
  },
  {
    title: 'cost',
    within: '{ node { all(first: 100) { nodes { all(first: 100) { nodes { name } } } } } }',
    over: '{ node { all(first: 100) { nodes { all(first: 100) { nodes { all(first: 100) { nodes { name } } } } } } } }',
    says: 'The operation may ask for 3040403 fields; the limit is 50000. Most of them are at node.all.nodes.all.nodes.all.nodes.name: ask',
  },
];

describe.each(cases)('limit on $title', ({ within, over, says }) => {
  test('over HTTP, SSE and WebSocket', async () => {
    const edge = await startEdge();
    expect(await (await edge.post({ query: within })).json()).not.toHaveProperty('errors');
    const replies = [
      await (await edge.post({ query: over })).text(),
      await (await edge.get({ query: over })).text(),
      await (await edge.post({ query: over }, { accept: 'text/event-stream' })).text(),
      await overWebSocket(edge.client(), { query: over }),
    ];
    for (const reply of replies) {
      expect(reply).toContain(says);
      expect(reply).toContain('QUERY_TOO_COMPLEX');
      expect(reply).not.toContain('"data"');
    }
    const strict = await edge.post({ query: over }, { accept: 'application/graphql-response+json' });
    expect(strict.status).toBe(400);
  });
});

describe('documents that would take for ever to weigh', () => {
  test('the same field again and again', async () => {
    const edge = await startEdge();
    const answer = await edge.post({ query: `{ ${many(990, () => 'me')} }` });
    expect(await answer.text()).toContain('QUERY_TOO_COMPLEX');
  });

  test('fragments that double at each step', async () => {
    const edge = await startEdge();
    const fragments = many(60, (index) => `fragment F${index} on Node { ...F${index + 1} ...F${index + 1} }`);
    const answer = await edge.post({ query: `{ node { ...F0 } } ${fragments} fragment F60 on Node { a: name }` });
    expect(await answer.text()).toContain('QUERY_TOO_COMPLEX');
  });

  test('fragments within themselves', async () => {
    const edge = await startEdge();
    const answer = await edge.post({
      query: '{ node { ...A } } fragment A on Node { next { ...B } } fragment B on Node { next { ...A } }',
    });
    expect(await answer.text()).toContain('Cannot spread fragment');
  });

  test('a type reference that nests on and on', async () => {
    const edge = await startEdge();
    const query = `{ __type(name: "Node") { fields { type ${'{ ofType '.repeat(30)}{ name }${' }'.repeat(30)} } } }`;
    expect(await (await edge.post({ query })).text()).toContain('nests introspection');
  });

  test('lists of types within one another', async () => {
    const edge = await startEdge();
    const text = async (depth: number) => {
      const query = `{ __type(name: "Query") ${'{ fields { type '.repeat(depth)}{ name }${' } }'.repeat(depth)} }`;
      return (await edge.post({ query })).text();
    };
    expect(await text(2)).toContain('"fields":[{"type":');
    expect(await text(3)).toContain('two levels are the most');
  });
});

test('the introspection queries of GraphiQL and codegen pass', async () => {
  const edge = await startEdge();
  for (const inputValueDeprecation of [true, false]) {
    const query = getIntrospectionQuery({
      inputValueDeprecation,
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      oneOf: true,
    });
    const answer = (await (await edge.post({ query })).json()) as { data: { __schema: object }; errors?: unknown };
    expect(answer.errors).toBeUndefined();
    expect(answer.data.__schema).toHaveProperty('types');
  }
});

test('@defer and @stream are not there', async () => {
  const edge = await startEdge();
  const reply = await (await edge.post({ query: '{ ... @defer { me } }' }, { accept: 'multipart/mixed' })).text();
  expect(reply).toContain('Unknown directive \\"@defer\\".');
});

describe('bodies', () => {
  const bodyOf = (bytes: number) => {
    const frame = JSON.stringify({ query: '{ me }', extensions: { pad: '' } });
    return JSON.stringify({ query: '{ me }', extensions: { pad: 'x'.repeat(bytes - frame.length) } });
  };

  test('1 MiB is taken, a byte more is not', async () => {
    const edge = await startEdge();
    const within = bodyOf(1_048_576);
    expect(Buffer.byteLength(within)).toBe(1_048_576);
    expect(await (await edge.post(within)).json()).toEqual({ data: { me: 'Ann' } });
    const over = await edge.post(bodyOf(1_048_577));
    expect(over.status).toBe(413);
    expect(over.headers.get('connection')).toBe('close');
    expect(await over.json()).toEqual({
      errors: [{ message: 'The request body is over 1 MiB.', extensions: { code: 'PAYLOAD_TOO_LARGE' } }],
    });
  });

  test('bytes are counted, not characters', async () => {
    const edge = await startEdge();
    expect(
      (await edge.post(JSON.stringify({ query: '{ me }', extensions: { pad: 'é'.repeat(600_000) } }))).status,
    ).toBe(413);
  });

  const wholeAnswer = /\}$/;
  const head = (...lines: string[]) =>
    [
      'POST /graphql HTTP/1.1',
      'Host: 127.0.0.1:PORT',
      `Authorization: Bearer ${goodToken}`,
      'Content-Type: application/json',
      ...lines,
      '',
      '',
    ].join('\r\n');

  test('a length that is announced and never sent is refused at once', async () => {
    const edge = await startEdge();
    const request = head('Content-Length: 10000000000').replace('PORT', String(edge.port));
    expect(await raw(edge.port, [request], wholeAnswer)).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('a stream without end or length is cut off', async () => {
    const edge = await startEdge();
    let sent = 0;
    async function* endless() {
      yield head('Transfer-Encoding: chunked').replace('PORT', String(edge.port));
      const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
      for (; ; sent += 65_536) yield chunk;
    }
    expect(await raw(edge.port, endless(), wholeAnswer)).toMatch(/^HTTP\/1\.1 413 /);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test('a sender that does not heed the answer can read it for a while, and is then cut off', async () => {
    const edge = await startEdge();
    const socket = connect(edge.port, '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    socket.pause().write(head('Transfer-Encoding: chunked').replace('PORT', String(edge.port)));
    for (let sent = 0; sent < 16 * 1024 * 1024; sent += 65_536) socket.write(chunk);
    await sleep(100);
    const [answer] = (await Promise.all([once(socket.resume(), 'data'), closed]))[0] as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 .*PAYLOAD_TOO_LARGE/s);
  });

  test.each(['/graphql', '/graphiql/session', '/livez', '/nowhere'])('a slow one to %s ends in time', async (path) => {
    const requestMs = 300;
    const edge = await startEdge({ limits: { requestMs } });
    let ended = false;
    async function* slow() {
      const request = head('Content-Length: 1000').replace('PORT', String(edge.port));
      yield `${request.replace('/graphql', path)}{`;
      for (; !ended; await sleep(20)) yield ' ';
    }
    const started = performance.now();
    const answer = await raw(edge.port, slow());
    ended = true;
    const took = performance.now() - started;
    expect(took).toBeGreaterThan(requestMs * 0.9);
    expect(took).toBeLessThan(requestMs * 10);
    expect(answer).toMatch(
      path === '/livez' ? /^HTTP\/1\.1 200 / : path === '/nowhere' ? /^HTTP\/1\.1 404 / : /^HTTP\/1\.1 408 /,
    );
  });

  test('one that comes as a whole needs no timer, however many come at once', async () => {
    const edge = await startEdge({ limits: { requestMs: 12_300 } });
    const timers = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => timers.mockRestore());
    const body = '{"query":"{me}"}';
    const request = head(`Content-Length: ${body.length}`).replace('PORT', String(edge.port));
    const answers = (text: string) => text.split('"me":"Ann"').length - 1;
    const seen = await raw(edge.port, [`${request}${body}`.repeat(3)], /(?:"me":"Ann".*){3}/s);
    expect(answers(seen)).toBe(3);
    const late = () => timers.mock.calls.filter(([, ms]) => ms === 12_300).length;
    expect(late()).toBe(0);
    async function* inParts() {
      yield `${request}{`;
      await eventually(() => late() === 1);
      yield body.slice(1);
    }
    expect(answers(await raw(edge.port, inParts(), /"me":"Ann"/))).toBe(1);
  });

  test('no WebSocket message over 1 MiB is taken', async () => {
    const edge = await startEdge();
    const codes: number[] = [];
    const client = edge.client({ onClosed: ({ code }) => codes.push(code) });
    await overWebSocket(client, { query: '{ me }', variables: { pad: 'x'.repeat(1_048_577) } });
    expect(codes).toEqual([1009]);
  });
});
