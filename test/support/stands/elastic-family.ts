import type { Connector } from '../../../src/connectors/kit/contract/connector.ts';
import { type FakeElasticOptions, startFakeElastic } from '../peers/fake-elastic.ts';
import type { Stand } from './stand.ts';

const password = 'elastic-password-6b35';

/** Elasticsearch and OpenSearch. */
export function elasticFamilyStand(connector: Connector, product: FakeElasticOptions['product']): Stand {
  const users = [
    { name: 'reader', password },
    { name: 'stranger', password, rights: [] },
  ];
  return {
    connector,
    config: {
      serverType: 'SELF_MANAGED',
      url: 'https://search.example:9200',
      username: 'reader',
      password,
      index: 'orders',
    },
    start: (certificate) => startFakeElastic({ certificate, product, users, indices: { orders: {} } }),
    trials: {
      'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'missing name': { change: { index: 'nope' }, code: 'INDEX_NOT_FOUND', configPath: 'index' },
      'no right': { change: { username: 'stranger' }, code: 'PERMISSION_DENIED', configPath: 'username' },
    },
  };
}
