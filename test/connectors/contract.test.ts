import fc from 'fast-check';
import { GraphQLNonNull, type GraphQLObjectType, isObjectType, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planChecks, runChecks } from '../../src/connectors/kit/checks/run-checks.ts';
import { formLayoutOf } from '../../src/connectors/kit/config/form-layout.ts';
import { configJsonSchema } from '../../src/connectors/kit/config/json-schema.ts';
import {
  changedDestinations,
  dropNulls,
  leavesOf,
  mergePatch,
  placeSecrets,
  secretPathsOf,
  setAt,
  splitSecrets,
  valueAt,
} from '../../src/connectors/kit/config/shape.ts';
import {
  allChecksOf,
  type Connector,
  checkName,
  configKey,
  connectorId,
  pascalName,
} from '../../src/connectors/kit/contract/connector.ts';
import { PolicedDialer } from '../../src/connectors/kit/network/dialer.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { documentationOf } from '../../src/modules/connectors/documentation.ts';
import { schema } from '../../src/schema.ts';
import { ownTime } from '../support/own-time.ts';
import { startConnectProxy } from '../support/peers/connect-proxy.ts';
import { startTarpit, type Tarpit } from '../support/peers/tarpit.ts';
import { stands } from '../support/stands/index.ts';
import { gist, testConnection } from '../support/test-connection.ts';

/** Names that look like a secret's, and are none. */
const PUBLIC_NAMES =
  /^(accessKeyId|privateKeyId|hostKeyFingerprint|clientId|forcePathStyle|tokenUri|httpPath|allowCleartextPassword)$/;
const SECRET_NAME = /passw|passphrase|secret|token|credential|private_?key|api_?key|access_?key|client_?key/i;
const DESTINATION_NAME =
  /^(host|port|srv|url|baseUrl|apiUrl|account|region|cloudId|serverType|universeDomain|disableAuth|authMechanism|caCertificate|serverName|mode)$/;

describe.each(connectors.map((connector) => [connector.type, connector] as const))('%s', (_type, connector) => {
  const example = connector.example as Record<string, unknown>;
  const config = () => connector.config.parse(structuredClone(example)) as Record<string, unknown>;
  const connects = () => connector.targets(config()).length > 0;
  // a file may be given as it is, and what the gateway keeps itself is not connected to
  const goesNowhere = connector.category === 'FILE' || connector.runsInGateway === true;

  describe('config', () => {
    it('has an example that is right in every field and stays the same when parsed again', () => {
      expect(connector.config.parse(config())).toEqual(config());
    });

    it('comes back whole after its secrets were taken out and put back', () => {
      const split = splitSecrets(connector, config());
      expect(placeSecrets(split)).toEqual(config());
      for (const path of secretPathsOf(connector)) expect(valueAt(split.config, path)).toBeUndefined();
    });

    it('takes its own public part as a patch that changes nothing', () => {
      const split = splitSecrets(connector, config());
      expect(connector.config.parse(mergePatch(connector.config, config(), split.config))).toEqual(config());
    });

    it('marks every field as secret whose name says so', () => {
      const unmarked = leavesOf(connector.config).filter(
        ({ key, mark }) => SECRET_NAME.test(key) && !PUBLIC_NAMES.test(key) && !mark.secret,
      );
      expect(unmarked.map(({ path }) => path)).toEqual([]);
    });

    it('marks every field as destination that decides where secrets go', () => {
      const unmarked = leavesOf(connector.config).filter(
        ({ key, mark }) => DESTINATION_NAME.test(key) && !mark.destination,
      );
      expect(unmarked.map(({ path }) => path)).toEqual([]);
    });

    it('notices when a destination changes', () => {
      const after = config();
      const [leaf] = leavesOf(connector.config).filter(
        ({ mark, path }) => mark.destination === true && typeof valueAt(after, path) === 'string',
      );
      if (!leaf)
        return expect(connects() && connector.targets(config()).some(({ hostPath }) => hostPath !== undefined)).toBe(
          false,
        );
      setAt(after, leaf.path, `other-${String(valueAt(after, leaf.path))}`);
      expect(changedDestinations(connector, config(), after)).toContain(leaf.path);
    });

    it('gives each field a title and a description', () => {
      for (const leaf of leavesOf(connector.config)) {
        expect(leaf.title, leaf.path).toBeTruthy();
        expect(leaf.description, leaf.path).toBeTruthy();
      }
    });

    it('lays each field out in one group of the form, and those of a block in the same one', () => {
      const groups = formLayoutOf(connector);
      const paths = leavesOf(connector.config).map(({ path }) => path);
      expect(groups.flatMap(({ fields }) => fields).sort()).toEqual([...paths].sort());
      for (const { name, fields } of groups) {
        expect(fields, name).toEqual(paths.filter((path) => fields.includes(path)));
        const blocks = new Set(fields.map((path) => path.split('.')[0]));
        expect(fields, name).toEqual(paths.filter((path) => blocks.has(path.split('.')[0])));
      }
      const groupOf = (path: string) => groups.find(({ fields }) => fields.includes(path))?.name;
      for (const [block, group] of Object.entries({ tls: 'TLS', sshTunnel: 'SSH_TUNNEL' }))
        for (const path of paths) expect(groupOf(path) === group, path).toBe(path.startsWith(`${block}.`));
      // who opens a form sees what the datastore is found by
      expect(groups[0]?.name).toBe('BASICS');
    });

    it('has its principal secret among its secrets', () => {
      if (connector.principalSecret === undefined) return expect(secretPathsOf(connector)).not.toContain('password');
      expect(secretPathsOf(connector)).toContain(connector.principalSecret);
    });

    it('says its secrets in the JSON Schema by writeOnly', () => {
      const jsonSchema = configJsonSchema(connector);
      expect(jsonSchema).toMatchObject({ type: 'object', properties: expect.anything() });
      const text = JSON.stringify(jsonSchema);
      expect(text.split('"writeOnly":true').length - 1).toBe(secretPathsOf(connector).length);
    });

    it('answers 200 random changes of the example with issues that have a path, and never with a value or an exception', () => {
      const paths = leavesOf(connector.config).map(({ path }) => path);
      const canary = 'cAnArY-7f3a';
      const junk = fc.oneof(
        fc.string().map((text) => canary + text),
        fc.constantFrom(
          '',
          0,
          -1,
          65_536,
          1e308,
          true,
          null,
          [],
          {},
          `http://${canary}@127.0.0.1/`,
          `${canary}\0`,
          `127.1/${canary}`,
          `\u202e${canary}`,
        ),
      );
      fc.assert(
        fc.property(fc.dictionary(fc.constantFrom(...paths), junk, { minKeys: 1, maxKeys: 4 }), (changes) => {
          const values = structuredClone(example);
          for (const [path, value] of Object.entries(changes)) setAt(values, path, value);
          const result = connector.config.safeParse(dropNulls(values));
          if (result.success) {
            for (const target of connector.targets(result.data)) expect(target.host).not.toBe('');
            return;
          }
          for (const found of result.error.issues) {
            expect(found.path.every((key) => typeof key === 'string')).toBe(true);
            expect(found.message).not.toContain(canary);
          }
        }),
        { numRuns: 200 },
      );
    });
  });

  describe('checks', () => {
    it('have a name of two words, a title and a description, and no name twice', () => {
      const checks = allChecksOf(connector);
      for (const check of checks) {
        expect(check.name).toMatch(/^[a-z]+\/[a-z_]+$/);
        expect(check.title).toBeTruthy();
        expect(check.description).toMatch(/\.$/);
      }
      const names = checks.map((check) => checkName(connector, check));
      expect(new Set(names).size).toBe(names.length);
    });

    it('never write by default', () => {
      expect(connector.checks.filter((check) => check.writes && check.runsByDefault !== false)).toEqual([]);
    });

    it('bring their base checks along', () => {
      const base = connector.checks.filter((check) => check.base && (check.appliesTo?.(config(), null) ?? true));
      const last = connector.checks.findLast((check) => !check.base && (check.appliesTo?.(config(), null) ?? true));
      if (!last) return expect(connector.checks.length).toBeGreaterThan(0);
      const plan = planChecks(connector, config(), [`${connectorId(connector)}/${last.name}`]);
      expect('checks' in plan && plan.checks).toEqual(
        expect.arrayContaining(base.map(({ name }) => `${connectorId(connector)}/${name}`)),
      );
    });
  });

  describe('the world', () => {
    let tarpit: Tarpit;
    beforeAll(async () => {
      tarpit = await startTarpit();
    });
    afterAll(() => tarpit.close());

    /** Every host and port of the example, on this machine. */
    const names = () =>
      Object.fromEntries(
        connector.targets(config()).map(({ host, port }) => [`${host}:${port}`, `127.0.0.1:${tarpit.port}`]),
      );

    it('is reached through the dialer alone: without it the test is red', async () => {
      if (!connects()) return expect(goesNowhere).toBe(true);
      const refuse = () => Promise.reject(new Error('there is no dialer'));
      const plan = planChecks(connector, config(), null);
      const outcome = await runChecks({
        connector,
        config: config(),
        checks: 'checks' in plan ? plan.checks : [],
        dialer: {
          resolve: async () => ['192.0.2.1'],
          resolveService: refuse,
          dial: refuse,
          secure: refuse,
          openTunnel: refuse,
          hold: () => () => undefined,
          afterwards: () => {
            throw new Error('there is no dialer');
          },
        },
        signal: new AbortController().signal,
        secrets: [],
        onEvent: () => undefined,
      });
      expect(outcome.status).toBe('FAILED');
    });

    it('may stay silent: the test ends by its deadline with TIMEOUT, and closes its sockets', async () => {
      if (!connects()) return expect(goesNowhere).toBe(true);
      const started = ownTime();
      const tested = await testConnection(connector, example, { names: names(), deadline: 400 });
      expect(tested.failure?.code).toBe('TIMEOUT');
      expect(ownTime() - started).toBeLessThan(2_400);
      await expect.poll(() => tarpit.open()).toBe(0);
    });

    it('is left at once when the test is cancelled', async () => {
      if (!connects()) return expect(goesNowhere).toBe(true);
      const abort = new AbortController();
      const dialer = new PolicedDialer({ policy: { allow: [], forbidden: [] }, signal: abort.signal, names: names() });
      const before = tarpit.connections();
      const plan = planChecks(connector, config(), null);
      const running = runChecks({
        connector,
        config: config(),
        checks: 'checks' in plan ? plan.checks : [],
        dialer,
        signal: abort.signal,
        secrets: [],
        onEvent: () => undefined,
      });
      await expect.poll(() => tarpit.connections()).toBeGreaterThan(before);
      abort.abort('cancelled');
      expect((await running).status).toBe('CANCELLED');
      dialer.close();
      await expect.poll(() => tarpit.open()).toBe(0);
    });

    it('is not reached at an address that is not allowed', async () => {
      if (!connects()) return expect(goesNowhere).toBe(true);
      const before = tarpit.connections();
      const tested = await testConnection(connector, example, { allow: [], lookup: async () => ['127.0.0.1'] });
      expect(gist(tested)).toMatchObject({ at: 'endpoint/resolve', code: 'ADDRESS_NOT_ALLOWED' });
      expect(tarpit.connections()).toBe(before);
    });

    it('is reached through the operator’s proxy alone, which is asked for the checked address', async () => {
      if (!connects()) return expect(goesNowhere).toBe(true);
      const proxy = await startConnectProxy({ leadsTo: tarpit.port });
      const before = tarpit.connections();
      // nothing listens there: whoever goes there directly is refused
      const address = '127.77.0.1';
      const lookup = async () => [address];
      const ways = { lookup, allow: [address], proxy: proxy.url, deadline: 400 };
      const tested = await testConnection(connector, example, ways).finally(() => proxy.close());
      expect(tested.failure?.code).toBe('TIMEOUT');
      expect(proxy.asked).not.toEqual([]);
      const places = connector.targets(config()).map(({ port }) => `${address}:${port}`);
      expect(places).toEqual(expect.arrayContaining([...proxy.asked]));
      expect(tarpit.connections() - before).toBe(proxy.asked.length);
    });
  });

  it('is proved against something', () => {
    expect(connector.provenAgainst).toMatch(/real|fake/);
  });

  it('says the least rights that it needs', () => {
    expect(connector.leastRights).toMatch(/^[^|]+\.$/);
  });

  it('has a page that tells of each field, check and right, and breaks no table', () => {
    const page = documentationOf(connector);
    const { leastRights, recipe } = connector;
    for (const { path } of leavesOf(connector.config))
      expect(page.split(`| \`${path}\` | `).length, path).toBeGreaterThan(1);
    for (const check of allChecksOf(connector)) expect(page).toContain(`\`${checkName(connector, check)}\``);
    expect(page).toContain(leastRights);
    if (recipe) expect(page).toContain(`\n\`\`\`${recipe.language}\n${recipe.text}\n\`\`\`\n`);
    const widths = page.split('\n\n').map((part) => part.split('\n').filter((line) => line.startsWith('| ')));
    for (const rows of widths) expect(new Set(rows.map((row) => row.split(/(?<!\\)\|/).length)).size).toBeLessThan(2);
  });

  it('has a stand, with a mapping where it knows tenancy in tables', () => {
    const stand = stands.find((each) => each.connector === connector);
    expect(stand?.connector).toBe(connector);
    expect(stand?.tenancy !== undefined).toBe(connector.tenancyLevels?.includes('TABLE') ?? false);
  });
});

describe('all config types together', () => {
  const typeOf = (connector: Connector) => schema.getType(`${pascalName(connector)}Config`);

  it('can be selected from in one document, without aliases', () => {
    const selections = connectors.map(
      (connector) => `... on ${pascalName(connector)}Datastore { config { ${leafSelection(typeOf(connector))} } }`,
    );
    expect(validate(schema, parse(`{ datastores { nodes { ${selections.join('\n')} } } }`))).toEqual([]);
  });

  it('have an input and a patch under the same key', () => {
    for (const kind of ['DatastoreConfigInput', 'DatastoreConfigPatch']) {
      const input = schema.getType(kind);
      expect(input && 'getFields' in input ? Object.keys(input.getFields()) : []).toEqual(
        expect.arrayContaining(connectors.map(configKey)),
      );
    }
  });
});

function leafSelection(type: unknown): string {
  if (!isObjectType(type)) return '';
  return Object.values((type as GraphQLObjectType).getFields())
    .map((field) => {
      const inner = field.type instanceof GraphQLNonNull ? field.type.ofType : field.type;
      return isObjectType(inner) ? `${field.name} { ${leafSelection(inner)} }` : field.name;
    })
    .join(' ');
}
