import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import type {
  CloneDataStructureInput,
  CreateDataStructureInput,
  DataStructureFieldInput,
  UpdateDataStructureInput,
} from '../support/gql/graphql.ts';
import {
  CloneDataStructure,
  CreateDataStructure,
  DeleteDataStructure,
  DeleteEnvironment,
  DeleteRecords,
  ListDataStructures,
  PutRecord,
  PutRecords,
  ReadDataStructure,
  UpdateDataStructure,
} from '../support/operations.ts';
import { expectType, issueList } from '../support/results.ts';

/** A collection in a collection, this many deep, with a text in the innermost. */
function nested(depth: number): DataStructureFieldInput {
  return { name: `level${depth}`, type: 'COLLECTION', fields: [depth > 1 ? nested(depth - 1) : text('leaf')] };
}

const text = (name: string, more: Partial<DataStructureFieldInput> = {}): DataStructureFieldInput => ({
  name,
  type: 'TEXT',
  ...more,
});

/** What any change of a datastore answers, as far as its data structure is concerned. */
const STRUCTURE_OF = `... on ManagedDatastore { dataStructure { id } }`;
const MISFIT = `... on UserError { code } ... on RecordsMisfitError { misfitCount }`;

interface ForcedTarget {
  readonly id: string;
  readonly name: string;
  readonly environmentId: string;
  readonly config: object;
}

/** Each operation that gives a datastore another data structure; the second version of a datastore has it. */
const forcedChanges: readonly {
  readonly operation: string;
  readonly query: string;
  inputOf(target: ForcedTarget, force: { readonly force?: boolean }): object;
}[] = [
  {
    operation: 'updateDatastore',
    query: `mutation ($input: UpdateDatastoreInput!) {
      updateDatastore(input: $input) { ${MISFIT} ... on UpdateDatastoreSuccess { datastore { ${STRUCTURE_OF} } } } }`,
    inputOf: ({ id, config }, force) => ({ id, config, ...force }),
  },
  ...[false, true].map((atomic) => ({
    operation: `updateDatastores(atomic: ${atomic})`,
    query: `mutation ($input: UpdateDatastoresInput!) { updateDatastores(input: $input) {
      ... on UpdateDatastoresSuccess { results { error { ${MISFIT} } datastore { ${STRUCTURE_OF} } } } } }`,
    inputOf: ({ id, config }: ForcedTarget, force: object) => ({ items: [{ id, config, ...force }], atomic }),
  })),
  {
    operation: 'upsertDatastore',
    query: `mutation ($input: UpsertDatastoreInput!) {
      upsertDatastore(input: $input) { ${MISFIT} ... on UpsertDatastoreSuccess { datastore { ${STRUCTURE_OF} } } } }`,
    inputOf: ({ id: _, ...target }, force) => ({ ...target, ...force }),
  },
  {
    operation: 'revertDatastore',
    query: `mutation ($input: RevertDatastoreInput!) {
      revertDatastore(input: $input) { ${MISFIT} ... on RevertDatastoreSuccess { datastore { ${STRUCTURE_OF} } } } }`,
    inputOf: ({ id }, force) => ({ id, toVersion: 2, ...force }),
  },
];

const faulty: readonly (readonly [string, DataStructureFieldInput[], string[]])[] = [
  ['a name twice', [text('a'), text('b'), text('a')], ['2.name NAME_TAKEN']],
  [
    'a name twice in a collection',
    [{ name: 'c', type: 'COLLECTION', fields: [text('a'), text('a')] }],
    ['0.fields.1.name NAME_TAKEN'],
  ],
  ['a name that is empty', [text('')], ['0.name TOO_SHORT']],
  ['a long name', [text('x'.repeat(129))], ['0.name TOO_LONG']],
  ['a name of two lines', [text('a\nb')], ['0.name INVALID_FORMAT']],
  ['a name with a zero byte', [text('a\0')], ['0.name INVALID_FORMAT']],
  ['the name __proto__', [text('__proto__')], ['0.name INVALID_VALUE']],
  ['a label of two lines', [text('a', { label: 'a\nb' })], ['0.label INVALID_FORMAT']],
  ['an itemType of a text', [text('a', { itemType: 'TEXT' })], ['0.itemType INVALID_COMBINATION']],
  ['fields of a text', [text('a', { fields: [text('b')] })], ['0.fields INVALID_COMBINATION']],
  [
    'fields of texts',
    [{ name: 'a', type: 'ARRAY', itemType: 'TEXT', fields: [text('b')] }],
    ['0.fields INVALID_COMBINATION'],
  ],
  ['a default of another type', [text('a', { default: 1 })], ['0.default INVALID_TYPE']],
  ['a default that is no date', [{ name: 'a', type: 'DATE', default: '2026-02-30' }], ['0.default INVALID_FORMAT']],
  [
    'a default with a field that there is not',
    [{ name: 'a', type: 'COLLECTION', fields: [text('b')], default: { c: 1 } }],
    ['0.default.c UNKNOWN_FIELD'],
  ],
  ['a default beyond what JSON carries', [{ name: 'a', type: 'NUMBER', default: 1e300 }], ['0.default OUT_OF_RANGE']],
  ['choices of a truth', [{ name: 'a', type: 'BOOLEAN', choices: [true] }], ['0.choices INVALID_COMBINATION']],
  [
    'choices of collections',
    [{ name: 'a', type: 'ARRAY', itemType: 'COLLECTION', choices: [{}] }],
    ['0.choices INVALID_COMBINATION'],
  ],
  ['no choice', [text('a', { choices: [] })], ['0.choices TOO_SHORT']],
  ['101 choices', [text('a', { choices: Array.from({ length: 101 }, (_, at) => `c${at}`) })], ['0.choices TOO_LONG']],
  ['a choice of another type', [text('a', { choices: ['x', 1] })], ['0.choices.1 INVALID_TYPE']],
  ['a choice that is no date', [{ name: 'a', type: 'DATE', choices: ['soon'] }], ['0.choices.0 INVALID_FORMAT']],
  ['a choice twice', [text('a', { choices: ['x', 'x'] })], ['0.choices.1 INVALID_COMBINATION']],
  ['a default that is no choice', [text('a', { choices: ['x'], default: 'y' })], ['0.default INVALID_VALUE']],
  [
    'a default with an element that is no choice',
    [{ name: 'a', type: 'ARRAY', itemType: 'NUMBER', choices: [1], default: [1, 2] }],
    ['0.default.1 INVALID_VALUE'],
  ],
  ['six levels', [nested(6)], ['0.fields.0.fields.0.fields.0.fields.0.fields.0 TOO_LONG']],
  ['501 fields', Array.from({ length: 501 }, (_, at) => text(`f${at}`)), [' TOO_LONG']],
  [
    'more than 64 KiB',
    Array.from({ length: 300 }, (_, at) => text(`f${at}`, { default: 'x'.repeat(300) })),
    [' TOO_LONG'],
  ],
];

describeEachGateway('data structures', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const create = async (input: Partial<CreateDataStructureInput>) =>
    (
      await gateway.run(CreateDataStructure, {
        input: { environmentId, name: `s ${randomUUID()}`, fields: [], ...input },
      })
    ).createDataStructure;
  const created = async (input: Partial<CreateDataStructureInput>) =>
    expectType(await create(input), 'CreateDataStructureSuccess').dataStructure;
  const update = async (input: UpdateDataStructureInput) =>
    (await gateway.run(UpdateDataStructure, { input })).updateDataStructure;
  const remove = async (id: string) => (await gateway.run(DeleteDataStructure, { id })).deleteDataStructure;
  const read = async (id: string) => (await gateway.run(ReadDataStructure, { id })).dataStructure;
  const actions = async (id: string) => {
    const entries = await gateway.app.database.query
      .selectFrom('journal')
      .select('action')
      .where('subject_id', '=', id)
      .orderBy('sequence')
      .execute();
    return entries.map(({ action }) => action);
  };

  test('keep fields of every type as they were given, five levels deep', async () => {
    const fields: DataStructureFieldInput[] = [
      text('title', { label: 'Title', required: true, default: 'none' }),
      { name: 'price', type: 'NUMBER', default: 1.5 },
      { name: 'sold', type: 'BOOLEAN', default: false },
      { name: 'since', type: 'DATE', default: '2026-02-28', choices: ['2026-02-28', '2026-03-01'] },
      { name: 'tags', type: 'ARRAY', itemType: 'TEXT', default: ['a'], choices: ['a', 'b'] },
      { name: 'lines', type: 'ARRAY', itemType: 'COLLECTION', fields: [text('sku')], default: [{ sku: 'x' }] },
      nested(5),
    ];
    const structure = await created({ name: 'Orders', strict: true, fields });
    expect(structure).toMatchObject({ name: 'Orders', strict: true, environment: { id: environmentId } });
    const none = { label: null, required: false, default: null, choices: null, itemType: null, fields: null };
    expect(structure.fields.slice(0, 5)).toEqual(fields.slice(0, 5).map((field) => ({ ...none, ...field })));
    expect(structure.fields[5]).toMatchObject(fields[5] ?? {});
    expect(structure.fields[6]).toMatchObject({
      fields: [{ fields: [{ fields: [{ fields: [{ name: 'level1', fields: [{ name: 'leaf' }] }] }] }] }],
    });
    expect(await read(structure.id.toUpperCase())).toEqual(structure);
    expect(await actions(structure.id)).toEqual(['data_structure.create']);
  });

  test.each(faulty)('with %s are refused', async (_title, fields, issues) => {
    const name = `s ${randomUUID()}`;
    const told = issues.map((issue) => `input.fields.${issue}`.replace('. ', ' '));
    expect(issueList(expectType(await create({ name, fields }), 'ValidationError'))).toEqual(told);
    const { id } = await created({ name });
    expect(issueList(expectType(await update({ id, fields }), 'ValidationError'))).toEqual(told);
    expect(await actions(id)).toEqual(['data_structure.create']);
  });

  test('tell at most a hundred faults at once', async () => {
    const fields = Array.from({ length: 400 }, () => text(''));
    expect(expectType(await create({ fields }), 'ValidationError').issues).toHaveLength(100);
  });

  test.each([
    [400, 200, '"code":"TOO_LONG"'],
    [20_000, 400, '"code":"BAD_REQUEST"'],
  ])('that nest %i deep are refused', async (depth, status, says) => {
    const inner = `${'[{"name":"a","type":"COLLECTION","fields":'.repeat(depth)}[]${'}]'.repeat(depth)}`;
    const query = `mutation ($input: CreateDataStructureInput!) {
      createDataStructure(input: $input) { ... on UserError { issues { code } } }
    }`;
    const variables = `{"input":{"environmentId":"${environmentId}","name":"deep","fields":${inner}}}`;
    const answer = await gateway.send(`{"query":${JSON.stringify(query)},"variables":${variables}}`);
    expect({ status: answer.status, says: answer.text.includes(says) }).toEqual({ status, says: true });
  });

  test('have names that are unique within an environment', async () => {
    const { id } = await created({ name: 'Taken' });
    const other = await created({ name: 'Other' });
    const taken = ['input.name NAME_TAKEN'];
    expect(issueList(expectType(await create({ name: 'Taken' }), 'ValidationError'))).toEqual(taken);
    expect(issueList(expectType(await update({ id: other.id, name: 'Taken' }), 'ValidationError'))).toEqual(taken);
    expect((await created({ name: 'Taken', environmentId: await api.newEnvironment() })).id).not.toBe(id);
    const same = await Promise.all(Array.from({ length: 5 }, () => create({ name: 'Racing' })));
    expect(same.filter(({ __typename }) => __typename === 'CreateDataStructureSuccess')).toHaveLength(1);
  });

  test('change in what an update gives, and leave no entry when nothing changes', async () => {
    const before = await created({ fields: [text('a')] });
    const changed = expectType(
      await update({ id: before.id, strict: true, fields: [text('b', { default: 'x' })] }),
      'UpdateDataStructureSuccess',
    ).dataStructure;
    expect(changed).toMatchObject({ id: before.id, name: before.name, strict: true });
    expect(changed.fields).toMatchObject([{ name: 'b', default: 'x' }]);
    const same = { id: before.id, name: null, strict: true, fields: null };
    expect(expectType(await update(same), 'UpdateDataStructureSuccess').dataStructure).toEqual(changed);
    expect(await actions(before.id)).toEqual(['data_structure.create', 'data_structure.update']);
  });

  test('are copied to another environment, and then go their own way', async () => {
    const source = await created({ name: 'Source', strict: true, fields: [text('a', { choices: ['x'] })] });
    const other = await api.newEnvironment();
    const clone = async (input: CloneDataStructureInput) =>
      (await gateway.run(CloneDataStructure, { input })).cloneDataStructure;
    const { dataStructure: copy } = expectType(
      await clone({ id: source.id, environmentId: other }),
      'CloneDataStructureSuccess',
    );
    expect(copy).toEqual({ ...source, id: copy.id, environment: { id: other } });
    expect(copy.id).not.toBe(source.id);
    const named = await clone({ id: source.id, environmentId, name: 'Copy' });
    expect(named).toMatchObject({ dataStructure: { name: 'Copy', environment: { id: environmentId } } });
    expectType(await update({ id: source.id, fields: [] }), 'UpdateDataStructureSuccess');
    expect((await read(copy.id))?.fields).toMatchObject([{ name: 'a', choices: ['x'] }]);
    const taken = expectType(await clone({ id: source.id, environmentId: other }), 'ValidationError');
    expect(issueList(taken)).toEqual(['input.name NAME_TAKEN']);
    const none = randomUUID();
    expect(await clone({ id: none, environmentId: other })).toMatchObject({ __typename: 'NotFoundError', ids: [none] });
    expect(await clone({ id: source.id, environmentId: none })).toMatchObject({ __typename: 'NotFoundError' });
  });

  describe('that datastores use', () => {
    const used = async (fields: DataStructureFieldInput[], records: readonly object[]) => {
      const { id } = await created({ fields });
      const datastores = [];
      for (let at = 0; at < 2; at += 1) {
        const config = { managed: { maxSizeMb: 1, dataStructureId: id } };
        const { id: datastoreId } = await api.created({ environmentId, config });
        const items = records.map((data, key) => ({ key: `k${String(key).padStart(3, '0')}`, data }));
        if (items.length > 0) await gateway.run(PutRecords, { input: { datastoreId, items } });
        datastores.push(datastoreId);
      }
      return { id, datastores: datastores.toSorted() };
    };

    test('are not deleted: the datastores are named', async () => {
      const { id, datastores } = await used([], []);
      const query = `mutation ($id: ID!) { deleteDataStructure(id: $id) { ... on InUseError { code datastores { id } } } }`;
      const { json } = await gateway.send({ query, variables: { id } });
      const { deleteDataStructure } = json.data as { deleteDataStructure: { datastores: { id: string }[] } };
      expect(deleteDataStructure).toMatchObject({ code: 'IN_USE' });
      expect(deleteDataStructure.datastores.map((each) => each.id).toSorted()).toEqual(datastores);
      await api.removed(...datastores);
      expect(await remove(id)).toMatchObject({ __typename: 'DeleteDataStructureSuccess' });
    });

    test('are changed only as far as all records fit, or with force', async () => {
      const { id, datastores } = await used([text('a')], [{ a: 'x' }, { a: 'y' }, {}, { a: 'x', b: 1 }]);
      const [datastoreId = ''] = datastores;
      const fields = [text('a', { required: true, choices: ['x'] })];
      const refused = expectType(await update({ id, fields, strict: true }), 'RecordsMisfitError');
      expect(refused).toMatchObject({ code: 'RECORDS_MISFIT', misfitCount: 6 });
      expect(refused.message).toContain('There are 6.');
      expect(refused.misfits.slice(0, 3)).toEqual([
        { datastoreId, key: 'k001', issues: [{ path: ['a'], code: 'INVALID_VALUE' }] },
        { datastoreId, key: 'k002', issues: [{ path: ['a'], code: 'REQUIRED' }] },
        { datastoreId, key: 'k003', issues: [{ path: ['b'], code: 'UNKNOWN_FIELD' }] },
      ]);
      expect(await read(id)).toMatchObject({ strict: false });
      // what every record fits needs no force: a default stands for what is missing
      const wide = [text('a', { required: true, default: 'x' })];
      expect(await update({ id, fields: wide })).toMatchObject({ __typename: 'UpdateDataStructureSuccess' });
      const forced = expectType(await update({ id, fields, force: true }), 'UpdateDataStructureSuccess');
      expect(forced.dataStructure.fields).toMatchObject([{ required: true, choices: ['x'] }]);
      const input = { datastoreId, key: 'k001', data: { a: 'y' } };
      const { putRecord } = await gateway.run(PutRecord, { input });
      expect(issueList(expectType(putRecord, 'ValidationError'))).toEqual(['input.data.a INVALID_VALUE']);
    });

    test('show the first twenty records that do not fit, and count all of them', async () => {
      const { id } = await used(
        [],
        Array.from({ length: 300 }, () => ({})),
      );
      const refused = expectType(await update({ id, fields: [text('a', { required: true })] }), 'RecordsMisfitError');
      expect(refused.misfitCount).toBe(600);
      expect(refused.misfits).toHaveLength(20);
    });

    test('are taken up by a datastore only where its records fit, or with force', async () => {
      const { datastores } = await used([], [{ a: 1 }, { a: 'x' }]);
      const { id: dataStructureId } = await created({ fields: [text('a')] });
      const [id = '', other = ''] = datastores;
      const config = { managed: { dataStructureId } };
      const refused = expectType(await api.update({ id, config }), 'RecordsMisfitError');
      expect(issueList(refused)).toEqual(['input.config.managed.dataStructureId INVALID_COMBINATION']);
      expect(refused).toMatchObject({ code: 'RECORDS_MISFIT', misfitCount: 1 });
      expect(refused.misfits).toEqual([
        { datastoreId: id, key: 'k000', issues: [{ path: ['a'], code: 'INVALID_TYPE' }] },
      ]);
      const input = { datastoreId: id, select: { keys: ['k000'] }, confirmed: true };
      await gateway.run(DeleteRecords, { input });
      await api.updated({ id, config });
      await api.updated({ id: other, config, force: true });
      const [kept, put] = ['k000', 'k001'].map((key) => ({ datastoreId: other, key, data: { a: 1 } }));
      for (const record of [kept, put])
        if (record) expectType((await gateway.run(PutRecord, { input: record })).putRecord, 'ValidationError');
      const { query } = gateway.app.database;
      const entries = query.selectFrom('journal').select('detail').where('subject_id', '=', other).orderBy('sequence');
      const last = (await entries.execute()).at(-1)?.detail;
      expect(JSON.parse(String(last))).toMatchObject({ changed: ['config.dataStructureId'], force: true });
    });

    test.for(forcedChanges)('are forced upon a datastore by $operation', async ({ query, inputOf }) => {
      const { datastores } = await used([], [{ a: 1 }]);
      const { id: dataStructureId } = await created({ fields: [text('a')] });
      const [id = ''] = datastores;
      const wide = await created({});
      await api.updated({ id, config: { managed: { dataStructureId } }, force: true });
      const { name } = await api.updated({ id, config: { managed: { dataStructureId: wide.id } } });
      const send = async (force?: boolean) => {
        const target = { id, name, environmentId, config: { managed: { dataStructureId, maxSizeMb: 1 } } };
        const input = inputOf(target, force === undefined ? {} : { force });
        const { json } = await gateway.send({ query, variables: { input } });
        return JSON.stringify(json);
      };
      for (const force of [undefined, false]) expect(await send(force)).toMatch(/"RECORDS_MISFIT".*"misfitCount":1/);
      expect(await send(true)).toContain(`"dataStructure":{"id":"${dataStructureId}"}`);
    });
  });

  test('are deleted once, and their ids are given to nothing else', async () => {
    const { id } = await created({});
    const results = await Promise.all([remove(id), remove(id)]);
    expect(results.map(({ __typename }) => __typename).toSorted()).toEqual([
      'DeleteDataStructureSuccess',
      'NotFoundError',
    ]);
    expect(await read(id)).toBeNull();
    expect(await update({ id, name: 'x' })).toMatchObject({ __typename: 'NotFoundError', ids: [id] });
    const retired = gateway.app.database.query.selectFrom('retired_ids').select('id').where('id', '=', id);
    expect(await retired.execute()).toEqual([{ id }]);
  });

  test('go with their environment', async () => {
    const own = await api.newEnvironment();
    const { id } = await created({ environmentId: own });
    expectType((await gateway.run(DeleteEnvironment, { id: own })).deleteEnvironment, 'DeleteEnvironmentSuccess');
    expect(await read(id)).toBeNull();
  });

  describe('in a list', () => {
    test('are sorted by name and paged in both directions', async () => {
      const own = await api.newEnvironment();
      for (const name of ['c', 'A', 'é', 'b', 'B']) await created({ environmentId: own, name });
      const list = async (page: object) =>
        (await gateway.run(ListDataStructures, { environmentId: own, ...page })).dataStructures;
      const namesOf = (page: { nodes: readonly { name: string }[] }) => page.nodes.map(({ name }) => name);
      const first = await list({ first: 3 });
      expect(namesOf(first)).toEqual(['A', 'B', 'b']);
      const rest = await list({ first: 3, after: first.pageInfo.endCursor });
      expect(namesOf(rest)).toEqual(['c', 'é']);
      expect(namesOf(await list({ last: 2, before: rest.pageInfo.startCursor }))).toEqual(['B', 'b']);
    });
  });
});
