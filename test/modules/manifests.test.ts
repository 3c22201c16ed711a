import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type ConfigValues, parseConfig } from '../../src/connectors/kit/config/shape.ts';
import { configKey } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { withStructures } from '../../src/modules/manifests/references.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig, s3Config } from '../support/inputs.ts';
import { PutRecord, RegisterUsage } from '../support/operations.ts';

const ERRORS = '... on UserError { code issues { path configPath code message line column } }';
const PLAN =
  'environmentId hasChanges items { kind name action id keptSecrets missingSecrets changes { path isSecret before after } }';
const EXPORT = `query ($id: ID!) { exportManifest(environmentId: $id) {
  ${ERRORS} ... on ExportManifestSuccess { text secrets { reference datastoreName configPath } } } }`;
const PLAN_MANIFEST = `query ($input: PlanManifestInput!) { planManifest(input: $input) {
  __typename ${ERRORS} ... on PlanManifestSuccess { plan { ${PLAN} } } } }`;
const APPLY = `mutation ($input: ApplyManifestInput!) { applyManifest(input: $input) {
  __typename ${ERRORS} ... on ApplyManifestSuccess { plan { ${PLAN} } } } }`;
const CLONE = `mutation ($input: CloneEnvironmentInput!) { cloneEnvironment(input: $input) {
  __typename ${ERRORS} ... on CloneEnvironmentSuccess { plan { ${PLAN} } } } }`;

interface Item {
  readonly name: string;
  readonly action: string;
  readonly id: string | null;
  readonly keptSecrets: readonly string[];
  readonly missingSecrets: readonly string[];
  readonly changes: readonly { readonly path: string; readonly isSecret: boolean; readonly after: unknown }[];
}
interface Plan {
  readonly hasChanges: boolean;
  readonly items: readonly Item[];
}
interface Refusal {
  readonly __typename: string;
  readonly code?: string;
  readonly issues?: readonly {
    readonly path: readonly string[];
    readonly configPath: string | null;
    readonly code: string;
    readonly line: number | null;
    readonly column: number | null;
  }[];
}
interface Exported {
  readonly text: string;
  readonly secrets: readonly {
    readonly reference: string;
    readonly datastoreName: string;
    readonly configPath: string;
  }[];
}

/** No check of health is to write anything meanwhile. */
const A_DAY_MS = 86_400_000;
const yamlOf = (values: object) => stringify(values, { aliasDuplicateObjects: false });
const reference = (name: string) => `\${env:${name}}`;
/** All hosts of the examples are this machine, where nobody listens. */
const names = Object.fromEntries(
  connectors.flatMap((connector) => {
    const config = parseConfig(connector, connector.example as ConfigValues).data;
    const targets = config ? connector.targets(config as never) : [];
    return targets.map(({ host, port }) => [`${host}:${port}`, '127.0.0.1:1']);
  }),
);
const everyType = {
  manifest: 1,
  dataStructures: {
    Orders: {
      strict: true,
      fields: [
        { name: 'price', type: 'NUMBER', required: true, label: 'Price', default: 1, choices: [1, 2] },
        { name: 'sold', type: 'BOOLEAN', default: false },
        { name: 'lines', type: 'ARRAY', itemType: 'COLLECTION', fields: [{ name: 'sku', type: 'TEXT' }] },
      ],
    },
  },
  datastores: Object.fromEntries(
    connectors.map((connector) => {
      const key = configKey(connector);
      const name = key.toLowerCase();
      const details = { label: connector.title, tags: { team: 'payments', 'a.b/c': '1' }, checkEveryMinutes: 1440 };
      const tenancy = connector.tenancyLevels?.includes('DATABASE') ? { tenancy: { level: 'DATABASE' } } : {};
      // a manifest names a data structure by its name
      const named = new Map([['7b0d4c1e-2f3a-4b5c-8d6e-9f0a1b2c3d4e', 'Orders']]);
      const config = withStructures(connector, connector.example as ConfigValues, named);
      return [name, { ...details, ...tenancy, ownerName: 'Ann', config: { [key]: config } }];
    }),
  ),
};

describeEachGateway('manifests', (open) => {
  let gateway: TestGateway;
  let api: Api;

  beforeAll(async () => {
    gateway = await open({ testing: { executor: { names }, healthTickMs: A_DAY_MS } });
    api = apiOf(gateway);
  });

  async function ask<Answer>(query: string, variables: object, token?: string): Promise<Answer> {
    const { json, text } = await gateway.send({ query, variables }, token);
    const [result] = Object.values(json.data ?? {});
    if (!result || json.errors) throw new Error(text);
    return result as Answer;
  }
  const exported = (id: string) => ask<Exported>(EXPORT, { id });
  const tryPlan = (input: object) => ask<Refusal>(PLAN_MANIFEST, { input });
  const plan = async (input: object, token?: string) => {
    const result = await ask<{ plan: Plan } & Refusal>(PLAN_MANIFEST, { input }, token);
    if (!result.plan) throw new Error(JSON.stringify(result));
    return result.plan;
  };
  const apply = (input: object) => ask<{ plan: Plan } & Refusal>(APPLY, { input });
  const applied = async (input: object) => {
    const result = await apply(input);
    if (!result.plan) throw new Error(JSON.stringify(result));
    return result.plan;
  };
  const actions = ({ items }: Plan) => items.map(({ name, action }) => `${name} ${action}`);
  const changes = ({ items }: Plan) =>
    items.flatMap((item) =>
      item.changes.map(({ path, isSecret }) => `${item.name} ${path}${isSecret ? ' secret' : ''}`),
    );
  const manifestOf = (datastores: object, more: object = {}) => yamlOf({ manifest: 1, ...more, datastores });
  const journal = async () => {
    const { query } = gateway.app.database;
    const tables = ['datastores', 'secret_versions', 'datastore_revisions', 'data_structures', 'journal'] as const;
    return Promise.all(
      tables.map((table) =>
        query
          .selectFrom(table)
          .select(({ fn }) => fn.countAll().as('n'))
          .executeTakeFirst(),
      ),
    );
  };

  test('of every type: what is exported fits the JSON Schema, and nothing is to do right after', async () => {
    const environmentId = await api.newEnvironment();
    const made = await applied({ environmentId, manifest: yamlOf(everyType) });
    expect(made.items.every(({ action, id }) => action === 'CREATE' && id !== null)).toBe(true);
    expect(made.items).toHaveLength(connectors.length + 1);

    const { text, secrets } = await exported(environmentId);
    const ajv = new Ajv({ strict: false, allErrors: true, formats: { password: true } });
    const schema = JSON.parse(await readFile(new URL('../../schema/manifest.json', import.meta.url), 'utf8')) as object;
    expect({ valid: ajv.validate(schema, parse(text)), errors: ajv.errors }).toEqual({ valid: true, errors: null });
    expect(Object.keys((parse(text) as typeof everyType).datastores)).toHaveLength(connectors.length);
    expect(new Set(secrets.map((secret) => secret.reference)).size).toBe(secrets.length);
    expect(secrets).toContainEqual({
      reference: reference('POSTGRES_PASSWORD'),
      datastoreName: 'postgres',
      configPath: 'password',
    });

    const before = await journal();
    const same = await plan({ environmentId, manifest: text, prune: true });
    expect({ hasChanges: same.hasChanges, changes: changes(same) }).toEqual({ hasChanges: false, changes: [] });
    expect((await applied({ environmentId, manifest: text, prune: true })).hasChanges).toBe(false);
    expect((await exported(environmentId)).text).toBe(text);
    expect(await journal()).toEqual(before);
  });

  test('says what would change at which paths, does it all at once, and finds nothing to do after that', async () => {
    const environmentId = await api.newEnvironment();
    const postgres = { ...postgresConfig(), password: reference('PG') };
    const first = {
      changed: { config: { postgres } },
      gone: { config: { s3: s3Config() } },
      same: { config: { s3: s3Config() } },
    };
    const secrets = [{ reference: reference('PG'), value: 'first' }];
    await applied({ environmentId, secrets, manifest: manifestOf(first, { dataStructures: { Old: { fields: [] } } }) });

    const second = {
      added: { label: 'Added', config: { s3: s3Config() } },
      changed: { ownerName: 'Ann', tags: { team: 'a' }, config: { postgres: { ...postgres, schema: 'sales' } } },
      same: first.same,
    };
    const more = { dataStructures: { New: { fields: [{ name: 'a', type: 'TEXT' }] } } };
    const input = { environmentId, manifest: manifestOf(second, more), prune: true };
    const other = [{ reference: reference('PG'), value: 'second' }];
    const planned = await plan({ ...input, secrets: other });
    expect(actions(planned)).toEqual([
      ...['New CREATE', 'Old DELETE', 'added CREATE', 'changed UPDATE', 'gone DELETE', 'same UNCHANGED'],
    ]);
    expect(changes(planned).filter((each) => each.startsWith('changed'))).toEqual([
      ...['changed config.schema', 'changed ownerName', 'changed tags', 'changed config.password secret'],
    ]);
    expect(changes(await plan({ ...input, secrets }))).not.toContain('changed config.password secret');
    expect(actions(await plan({ ...input, prune: false }))).not.toContain('gone DELETE');

    expect(actions(await applied({ ...input, secrets: other }))).toEqual(actions(planned));
    expect((await plan({ ...input, secrets: other })).hasChanges).toBe(false);
    const [entry] = await gateway.app.database.query
      .selectFrom('journal')
      .select(['action', 'detail'])
      .where('environment_id', '=', environmentId)
      .where('action', '=', 'datastore.updated')
      .execute();
    expect(JSON.parse(entry?.detail ?? '{}')).toMatchObject({ version: 2 });
    expect(await api.count(environmentId)).toBe(3);
  });

  test('stores nothing when one datastore cannot be stored, and names what is wrong with all of them', async () => {
    const environmentId = await api.newEnvironment();
    const before = await journal();
    const manifest = [
      'manifest: 1',
      'datastores:',
      '  config:',
      '    config:',
      '      postgres: {host: 127.0.0.1, username: a, password: b, database: c, port: 99999}',
      '  good:',
      '    config:',
      '      postgres: {host: 127.0.0.1, username: a, password: b, database: c}',
      '  there:',
      '    config:',
      '      postgres:',
      '        host: 169.254.169.254',
      '        username: a',
      `        password: ${reference('NOT_GIVEN')}`,
      '        database: c',
    ].join('\n');
    const { __typename, issues } = await apply({ environmentId, manifest });
    expect(__typename).toBe('ValidationError');
    const list = issues?.map(
      ({ path, ...one }) => `${path.join('.')} ${one.configPath} ${one.code} ${one.line}:${one.column}`,
    );
    expect(list).toEqual([
      'input.manifest.datastores.config.config.postgres.port port OUT_OF_RANGE 5:74',
      'input.manifest.datastores.there.config.postgres.password password REQUIRED 14:9',
    ]);
    const given = [{ reference: reference('NOT_GIVEN'), value: 'x' }];
    const refused = await apply({ environmentId, manifest: manifest.replace('99999', '1'), secrets: given });
    expect(refused.issues).toMatchObject([{ code: 'ADDRESS_NOT_ALLOWED', line: 12 }]);
    expect(await journal()).toEqual(before);
  });

  test('a name of a secret that is mistyped, within a text, or in a field that is no secret is refused', async () => {
    const environmentId = await api.newEnvironment();
    const refused = async (fields: object) => {
      const postgres = { ...postgresConfig(), ...fields };
      const manifest = manifestOf({ orders: { config: { postgres } } });
      const { issues } = await ask<Refusal>(PLAN_MANIFEST, { input: { environmentId, manifest } });
      return issues?.map(({ configPath, code }) => `${configPath} ${code}`);
    };
    const names = ['{env:PG', '{file:pg.txt', '{PG}', '{vault:pg}', '{env:A-B}'].map((text) => `$${text}`);
    for (const more of [' ', 'x']) names.push(`${reference('PG')}${more}`, `${more}${reference('PG')}`);
    for (const password of names) expect(await refused({ password }), password).toEqual(['password INVALID_FORMAT']);
    expect(await refused({ username: reference('PG_USER'), database: `a-${reference('DB')}` })).toEqual([
      'username INVALID_FORMAT',
      'database INVALID_FORMAT',
    ]);
    for (const password of ['$PG', 'a$', '$', reference('PG')]) expect(await refused({ password })).toBe(undefined);
  });

  test('compares secrets for who may write alone', async () => {
    const environmentId = await api.newEnvironment();
    const held = manifestOf({ orders: { config: { postgres: postgresConfig() } } });
    const named = manifestOf({ orders: { config: { postgres: { ...postgresConfig(), password: reference('PG') } } } });
    await applied({ environmentId, manifest: held });
    const reader = await gateway.createToken(`reader ${environmentId}`, ['DATASTORES_READ'], [environmentId]);
    const { items } = await plan({ manifest: named }, reader);
    expect(items).toMatchObject([{ action: 'UNCHANGED', keptSecrets: [reference('PG')] }]);
    const secrets = [{ reference: reference('PG'), value: 'a guess' }];
    for (const input of [{ manifest: held }, { manifest: named, secrets }]) {
      const { json } = await gateway.send({ query: PLAN_MANIFEST, variables: { input } }, reader);
      expect(json.errors?.[0]?.extensions?.code).toBe('FORBIDDEN');
    }
    const unknown = await tryPlan({
      environmentId,
      manifest: named,
      secrets: [{ ...secrets[0], reference: reference('B') }],
    });
    expect(unknown.issues).toMatchObject([{ path: ['input', 'secrets', '0', 'reference'] }]);
  });

  test('keeps what secrets are not given, but never for another destination', async () => {
    const environmentId = await api.newEnvironment();
    const at = (host: string, more: object = {}) =>
      manifestOf({
        orders: { config: { postgres: { ...postgresConfig({ host }), password: reference('PG') } } },
        ...more,
      });
    const secrets = [{ reference: reference('PG'), value: 'x' }];
    await applied({ environmentId, secrets, manifest: at('127.0.0.1') });
    const input = {
      environmentId,
      manifest: at('127.0.0.2', { added: { config: { s3: { ...s3Config(), secretAccessKey: reference('S3') } } } }),
    };
    expect((await plan(input)).items).toMatchObject([
      { name: 'added', action: 'CREATE', missingSecrets: [reference('S3')] },
      { name: 'orders', action: 'UPDATE', missingSecrets: [reference('PG')], changes: [{ path: 'config.host' }] },
    ]);
    const refused = await apply({ environmentId, manifest: at('127.0.0.2') });
    expect(refused).toMatchObject({
      __typename: 'SecretsRequiredError',
      issues: [{ code: 'SECRET_REQUIRED', line: 9 }],
    });
    expect(actions(await applied({ environmentId, secrets, manifest: at('127.0.0.2') }))).toEqual(['orders UPDATE']);
  });

  test('deletes what is in use only when that is confirmed', async () => {
    const environmentId = await api.newEnvironment();
    const { id: datastoreId } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
    await gateway.run(RegisterUsage, { input: { datastoreId, kind: 'dashboard', name: 'Sales' } });
    const input = { environmentId, manifest: manifestOf({ new: { config: { s3: s3Config() } } }), prune: true };
    const before = await journal();
    expect((await apply(input)).__typename).toBe('ConfirmationRequiredError');
    expect(await journal()).toEqual(before);
    expect(actions(await applied({ ...input, confirmed: true }))).toEqual(['new CREATE', 'postgresql DELETE']);
  });

  test('names data structures by their names, in another environment too, and keeps to the records that are stored', async () => {
    const [environmentId, targetId] = [await api.newEnvironment(), await api.newEnvironment()];
    const field = (more: object) => ({
      dataStructures: { Orders: { fields: [{ name: 'a', type: 'TEXT', ...more }] } },
    });
    const datastores = { store: { config: { managed: { dataStructureId: 'Orders', maxSizeMb: 2 } } } };
    await applied({ environmentId, manifest: manifestOf(datastores, field({})) });
    const { text } = await exported(environmentId);
    expect(parse(text)).toMatchObject({ datastores });
    const cloned = await ask<{ plan: Plan }>(CLONE, { input: { sourceId: environmentId, targetId } });
    expect(actions(cloned.plan)).toEqual(['Orders CREATE', 'store CREATE']);
    expect((await plan({ environmentId: targetId, manifest: text.replace(/^environment: .*$/m, '') })).hasChanges).toBe(
      false,
    );

    const { datastoreByName } = await gateway
      .send({
        query: 'query ($id: ID!) { datastoreByName(environmentId: $id, name: "store") { id } }',
        variables: { id: targetId },
      })
      .then(({ json }) => json.data as { datastoreByName: { id: string } });
    const items = [1, 2, 3].map((at) => ({ key: String(at), data: { text: 'x'.repeat(400_000) } }));
    for (const item of items) {
      const input = { datastoreId: datastoreByName.id, ...item };
      await gateway.run(PutRecord, { input });
    }
    const small = { store: { config: { managed: { dataStructureId: 'Orders', maxSizeMb: 1 } } } };
    for (const [manifest, code] of [
      [manifestOf(datastores, field({ required: true })), 'RECORDS_MISFIT'],
      [manifestOf(small, field({})), 'QUOTA_EXCEEDED'],
      [manifestOf({}, field({})), 'CONFIRMATION_REQUIRED'],
    ] as const)
      expect(await apply({ environmentId: targetId, manifest, prune: true })).toMatchObject({ code });
    const none = await plan({ environmentId: targetId, manifest: manifestOf(datastores, field({})) });
    expect(none.hasChanges).toBe(false);
  });

  test('takes names that hide characters where they are stored, and no new ones', async () => {
    const [environmentId, targetId] = [await api.newEnvironment(), await api.newEnvironment()];
    const hidden = (text: string) => `${text}\u202e`;
    const fields = (label: string) => [
      { name: 'lines', type: 'ARRAY', itemType: 'COLLECTION', fields: [{ name: 'sku', type: 'TEXT', label }] },
    ];
    const holding = (text: (plain: string) => string) =>
      manifestOf(
        {
          files: {
            ...{ label: text('Files'), ownerName: text('Ann'), tags: { team: text('payments') } },
            config: { s3: s3Config() },
          },
        },
        { dataStructures: { [text('Orders')]: { fields: fields(text('SKU')) } } },
      );
    const refused = await apply({ environmentId, manifest: holding(hidden) });
    expect(refused.issues?.map(({ path, code }) => `${path.slice(2).join('.')} ${code}`)).toEqual([
      'datastores.files.label INVALID_FORMAT',
      'datastores.files.ownerName INVALID_FORMAT',
      'datastores.files.tags.team INVALID_FORMAT',
      `dataStructures.${hidden('Orders')} INVALID_FORMAT`,
      `dataStructures.${hidden('Orders')}.fields.0.fields.0.label INVALID_FORMAT`,
    ]);
    // as a version stored them that took them
    await applied({ environmentId, manifest: holding((text) => text) });
    const { query } = gateway.app.database;
    const place = ['environment_id', '=', environmentId] as const;
    await query
      .updateTable('datastores')
      .set({ label: hidden('Files'), owner_name: hidden('Ann') })
      .where(...place)
      .execute();
    await query
      .updateTable('data_structures')
      .set({ name: hidden('Orders') })
      .where(...place)
      .execute();
    const { text } = await exported(environmentId);
    expect(text).toContain('\u202e');
    expect((await plan({ environmentId, manifest: text })).hasChanges).toBe(false);
    const again = await tryPlan({ environmentId, manifest: text.replace('payments', hidden('payments')) });
    expect(again.issues?.map(({ path }) => path.at(-1))).toEqual(['team']);
    const input = { sourceId: environmentId, targetId };
    expect((await ask<{ plan: Plan }>(CLONE, { input })).plan.hasChanges).toBe(true);
    expect((await ask<{ plan: Plan }>(CLONE, { input })).plan.hasChanges).toBe(false);
  });

  test('clones an environment with its secrets', async () => {
    const [sourceId, targetId] = [await api.newEnvironment(), await api.newEnvironment()];
    const manifest = manifestOf(
      { orders: { config: { postgres: postgresConfig() } }, files: { config: { s3: s3Config() } } },
      { dataStructures: { Orders: { fields: [] } } },
    );
    await applied({ environmentId: sourceId, manifest });
    await api.created({ environmentId: targetId, name: 'other', config: { s3: s3Config() } });
    const clone = (more: object) => ask<{ plan: Plan } & Refusal>(CLONE, { input: { sourceId, targetId, ...more } });
    expect(actions((await clone({})).plan)).toEqual(['Orders CREATE', 'files CREATE', 'orders CREATE']);
    // a wrong password would be a change
    expect((await plan({ environmentId: targetId, manifest })).hasChanges).toBe(false);
    expect(actions((await clone({ prune: true })).plan)).toContain('other DELETE');
    expect((await clone({ prune: true })).plan.hasChanges).toBe(false);
    const { text } = await exported(targetId);
    const wrong = await tryPlan({ environmentId: sourceId, manifest: text });
    expect(wrong.issues).toMatchObject([{ path: ['input', 'manifest', 'environment'], code: 'INVALID_COMBINATION' }]);
  });
});
