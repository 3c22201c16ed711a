import type { Connector } from '../../../src/connectors/kit/contract/connector.ts';
import { type FakeElastic, type FakeElasticOptions, startFakeElastic } from '../peers/fake-elastic.ts';
import type { Stand } from './stand.ts';

export const READER = {
  name: 'reader',
  password: 'pä55:"word"',
  apiKey: 'VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw',
};
const CLIENTS = {
  id: { type: 'long' },
  name: { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 256 } } },
  address: { properties: { city: { type: 'keyword' }, point: { properties: { lat: { type: 'half_float' } } } } },
  tags: { type: 'nested', properties: { tag: { type: 'keyword' } } },
};
const LOGS = { '.ds-logs-000001': {}, '.ds-logs-000002': { '@timestamp': { type: 'date' } } };

/** Elasticsearch and OpenSearch. */
export function elasticFamilyStand(
  connector: Connector,
  product: FakeElasticOptions['product'],
): Stand<FakeElasticOptions, FakeElastic> {
  return {
    connector,
    config: {
      serverType: 'SELF_MANAGED',
      url: 'https://search.example:9200',
      username: READER.name,
      password: READER.password,
    },
    clearText: { url: 'http://search.example:9200', tls: { mode: 'DISABLE' } },
    start: (certificate, options) =>
      startFakeElastic({
        certificate,
        product,
        users: [
          READER,
          { ...READER, name: 'viewer', rights: ['view'] },
          { ...READER, name: 'stranger', rights: ['monitor'] },
        ],
        indices: {
          'clients-1': { id: { type: 'keyword' } },
          'clients-2': CLIENTS,
          empty: undefined,
          '.hidden': {},
          ...LOGS,
        },
        aliases: { clients: ['clients-2', 'clients-1'], '.internal': ['clients-1'] },
        dataStreams: { logs: Object.keys(LOGS) },
        ...options,
      }),
    tenancy: {
      level: 'TABLE',
      clientColumnType: 'NUMBER',
      schemaName: 'unused',
      tableName: 'clients-2',
      tableClientNameColumn: 'name.keyword',
      tablePrimaryKeyColumn: 'id',
    },
    trials: {
      'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'missing name': { change: { index: 'nope' }, code: 'INDEX_NOT_FOUND', configPath: 'index' },
      'no right': { change: { username: 'stranger' }, code: 'PERMISSION_DENIED', configPath: 'username' },
    },
  };
}
