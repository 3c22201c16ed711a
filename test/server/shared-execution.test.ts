import { buildSchema, type ExecutionResult, execute, parse } from 'graphql';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Access, rightsOf } from '../../src/modules/access/access.ts';
import { createSharedSubscribe } from '../../src/server/shared-execution.ts';

const schema = buildSchema(
  'type Query { no: Int } type Subscription { event(after: Int): Event } type Event { id: ID seenBy: String fails: Int }',
);
const everything = parse('subscription ($after: Int) { event(after: $after) { id seenBy } }');
const idAlone = parse('subscription { event { id } }');
const failing = parse('subscription { event { fails } }');

interface Rights {
  readonly name: string;
  readonly rights: string;
}

let executed: string[] = [];

/** Subscribes to one event, which is the same object for all who are given the same. */
function subscriber(event: object) {
  const subscription = schema.getSubscriptionType()?.getFields().event;
  if (!subscription) throw new Error('The schema has no subscription');
  Object.assign(subscription, {
    subscribe: async function* () {
      yield event;
    },
    resolve: (source: object, _arguments: object, { name }: Rights) => {
      executed.push(name);
      if (source instanceof Error) throw source;
      return { ...source, seenBy: name };
    },
  });
  const subscribe = createSharedSubscribe((context) => (context as Rights).rights, execute);
  return async (contextValue: Rights, document = everything, variableValues: Record<string, unknown> = {}) => {
    const stream = await subscribe({ schema, document, contextValue, variableValues });
    if (!(Symbol.asyncIterator in stream)) throw new Error('It is no stream');
    const results: ExecutionResult[] = [];
    for await (const result of stream) results.push(result);
    return results.map(({ data, errors }) => JSON.parse(JSON.stringify(errors ? { errors } : data)) as unknown);
  };
}

const ann = { name: 'Ann', rights: 'everything' };
const bob = { name: 'Bob', rights: 'little' };

describe('an event of a subscription', () => {
  beforeEach(() => {
    executed = [];
    vi.useFakeTimers();
  });
  afterEach(() => void vi.useRealTimers());

  test('is executed once for all who ask the same with the same rights', async () => {
    const subscribe = subscriber({ id: 'e' });
    const all = await Promise.all(Array.from({ length: 100 }, () => subscribe(ann)));
    expect(executed).toEqual(['Ann']);
    expect(all).toEqual(Array.from({ length: 100 }, () => [{ event: { id: 'e', seenBy: 'Ann' } }]));
  });

  test('is never shared by callers of different rights', async () => {
    const subscribe = subscriber({ id: 'e' });
    const [first, second, third] = await Promise.all([subscribe(ann), subscribe(bob), subscribe(ann)]);
    expect(executed.toSorted()).toEqual(['Ann', 'Bob']);
    expect(second).toEqual([{ event: { id: 'e', seenBy: 'Bob' } }]);
    expect([first, third]).toEqual(Array.from({ length: 2 }, () => [{ event: { id: 'e', seenBy: 'Ann' } }]));
  });

  test('is executed for each document and for each set of variables', async () => {
    const subscribe = subscriber({ id: 'e' });
    expect(await subscribe(ann)).toEqual([{ event: { id: 'e', seenBy: 'Ann' } }]);
    expect(await subscribe(ann, idAlone)).toEqual([{ event: { id: 'e' } }]);
    await subscribe(ann, everything, { after: 1 });
    expect(executed).toHaveLength(3);
  });

  test('is executed once more after a second, when what it leads to may be otherwise', async () => {
    const subscribe = subscriber({ id: 'e' });
    await subscribe(ann);
    vi.advanceTimersByTime(999);
    await subscribe(ann);
    expect(executed).toHaveLength(1);
    vi.advanceTimersByTime(1);
    await subscribe(ann);
    expect(executed).toHaveLength(2);
  });

  test('that is another object is executed by itself, and so is a failure', async () => {
    const failure = new Error('the stream broke');
    await Promise.all([subscriber({ id: 'e' })(ann), subscriber({ id: 'e' })(ann)]);
    expect(executed).toHaveLength(2);
    const subscribe = subscriber(failure);
    const failed = await Promise.all([subscribe(ann, failing), subscribe(ann, failing)]);
    expect(executed).toHaveLength(4);
    for (const results of failed) expect(JSON.stringify(results)).toContain('the stream broke');
  });
});

test('the text of rights tells apart whose they are, for whom, and all that they allow', () => {
  const access: Access = {
    tokenId: 't1',
    actor: { name: 'backend', onBehalfOf: 'ann' },
    isSession: true,
    scopes: new Set(['DATASTORES_READ', 'DATASTORES_TEST']),
    environmentIds: new Set(['e1', 'e2']),
    expiresAt: null,
  };
  const others: Partial<Access>[] = [
    { tokenId: 't2' },
    { actor: { name: 'other', onBehalfOf: 'ann' } },
    { actor: { name: 'backend', onBehalfOf: 'bob' } },
    { scopes: new Set(['DATASTORES_READ']) },
    { environmentIds: new Set(['e1']) },
    { environmentIds: 'all' },
  ];
  const texts = others.map((other) => rightsOf({ ...access, ...other }));
  expect(new Set([rightsOf(access), ...texts]).size).toBe(others.length + 1);
  const inAnotherOrder = { scopes: new Set([...access.scopes].reverse()), environmentIds: new Set(['e2', 'e1']) };
  expect(rightsOf({ ...access, ...inAnotherOrder })).toBe(rightsOf(access));
});
