import { describe, expect, test } from 'vitest';
import { elasticsearch } from '../../../../src/connectors/elasticsearch/index.ts';
import { decodeCloudId, elasticTarget } from '../../../../src/connectors/families/elastic/config.ts';
import { changedDestinations } from '../../../../src/connectors/kit/config/shape.ts';
import { opensearch } from '../../../../src/connectors/opensearch/index.ts';
import { type BadConfig, describeBadConfigs } from '../../../support/bad-configs.ts';

const encoded = (text: string) => Buffer.from(text).toString('base64');
const ID = `My_Shop:${encoded('eu-central-1.aws.cloud.es.io$5d2d9a0c4b3e$9f1c')}`;
const user = { username: 'reader', password: 'x' };
const own = { serverType: 'SELF_MANAGED', url: 'https://search.example:9200' };
const cloud = { serverType: 'ELASTIC_CLOUD', cloudId: ID };

describe('a Cloud ID', () => {
  test.each([
    ['with a name', ID, '5d2d9a0c4b3e.eu-central-1.aws.cloud.es.io', 443],
    ['without a name', encoded('us.found.io$a1$b2'), 'a1.us.found.io', 443],
    ['with a colon in the name', `my:shop:${encoded('us.found.io$a1$b2')}`, 'a1.us.found.io', 443],
    ['without Kibana', encoded('us.found.io$a1'), 'a1.us.found.io', 443],
    ['with the port of the domain', encoded('us.found.io:9243$a1$b2'), 'a1.us.found.io', 9243],
    ['with the port of the deployment', encoded('us.found.io:9243$a1:9244$b2:9245'), 'a1.us.found.io', 9244],
    ['in large letters', encoded('US.Found.IO$A1$b2'), 'a1.us.found.io', 443],
  ])('%s leads to its deployment', (_title, cloudId, host, port) => {
    expect(decodeCloudId(cloudId)).toEqual({ host, port });
    const config = elasticsearch.config.parse({ ...cloud, ...user, cloudId });
    const [target] = elasticsearch.targets(config);
    expect(target).toMatchObject({ host, port, hostPath: 'cloudId', tls: { mode: 'VERIFY_FULL' } });
  });

  test.each([
    ['no base64', 'shop:https://example.com'],
    ['nothing after the name', 'shop:'],
    ['no deployment', encoded('us.found.io$$b2')],
    ['Kibana alone', encoded('us.found.io$undefined$b2')],
    ['no domain', encoded('localhost$a1$b2')],
    ['an address', encoded('169.254.169.254$a1$b2')],
    ['an odd address', encoded('0x7f.1$a1$b2')],
    ['another host in the deployment', encoded('us.found.io$evil.example/$b2')],
    ['a user in it', encoded('us.found.io$a@evil$b2')],
    ['a path in it', encoded('us.found.io/a#$a1$b2')],
    ['a dot at its end', encoded('us.found.io.$a1$b2')],
    ['a port that is none', encoded('us.found.io:0$a1$b2')],
    ['a port that is too large', encoded('us.found.io:65536$a1$b2')],
    ['letters beyond ASCII', encoded('us.ⓕound.io$a1$b2')],
    ['a line break', encoded('us.found.io$a1\r\nx$b2')],
    ['a name that is too long', encoded(`${'a.'.repeat(130)}io$a1$b2`)],
  ])('%s is none', (_title, cloudId) => {
    expect(decodeCloudId(cloudId)).toBeUndefined();
  });

  test('under another name is the same destination, another deployment is another', () => {
    const parse = (cloudId: string) => elasticsearch.config.parse({ ...cloud, ...user, cloudId });
    const changed = (cloudId: string) => changedDestinations(elasticsearch, parse(ID), parse(cloudId));
    expect(changed(ID.replace('My_Shop', 'Other'))).toEqual([]);
    expect(changed(encoded('eu-central-1.aws.cloud.es.io$another$9f1c'))).toEqual(['cloudId']);
  });
});

test.each([
  ['http://127.0.0.1:9200', { tls: { mode: 'DISABLE' } }, { host: '127.0.0.1', port: 9200, tls: null }],
  ['https://search.example', {}, { host: 'search.example', port: 443 }],
  ['https://[::1]:9200/es', {}, { host: '::1', port: 9200 }],
])('the URL %s leads to its host', (url, more, target) => {
  const config = opensearch.config.parse({ ...own, ...user, url, ...more });
  expect(elasticTarget(config as never)).toMatchObject({ ...target, hostPath: 'url', portPath: 'url' });
});

const badConfigs: readonly BadConfig[] = [
  { name: 'no server type', config: { url: own.url, ...user }, path: 'serverType', code: 'INVALID_VALUE' },
  {
    name: 'an unknown server type',
    config: { ...own, ...user, serverType: 'CLOUD' },
    path: 'serverType',
    code: 'INVALID_VALUE',
  },
  { name: 'no URL', config: { serverType: 'SELF_MANAGED', ...user }, path: 'url', code: 'REQUIRED' },
  { name: 'no Cloud ID', config: { serverType: 'OPEN_CLOUD', ...user }, path: 'cloudId', code: 'REQUIRED' },
  { name: 'no base64', config: { ...cloud, ...user, cloudId: 'a:b' }, path: 'cloudId', code: 'INVALID_FORMAT' },
  {
    name: 'a Cloud ID beside a URL',
    config: { ...own, ...user, cloudId: ID },
    path: 'cloudId',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'a URL beside a Cloud ID',
    config: { ...cloud, ...user, url: own.url },
    path: 'url',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'a cloud in clear text',
    config: { ...cloud, ...user, tls: { mode: 'DISABLE' } },
    path: 'tls.mode',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'a cloud without authentication',
    config: { ...cloud, disableAuth: true },
    path: 'disableAuth',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'http:// with TLS',
    config: { ...own, ...user, url: 'http://s.example' },
    path: 'url',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'a user in the URL',
    config: { ...own, ...user, url: 'https://a:b@s.example' },
    path: 'url',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'an odd address',
    config: { ...own, ...user, url: 'https://2130706433:9200' },
    path: 'url',
    code: 'INVALID_FORMAT',
  },
  { name: 'a password without a user', config: { ...own, password: 'x' }, path: 'username', code: 'REQUIRED' },
  { name: 'a user without a password', config: { ...own, username: 'x' }, path: 'password', code: 'REQUIRED' },
  {
    name: 'a colon in the user name',
    config: { ...own, ...user, username: 'a:b' },
    path: 'username',
    code: 'INVALID_FORMAT',
  },
  { name: 'a user and a key', config: { ...own, ...user, apiKey: 'a' }, path: 'apiKey', code: 'INVALID_COMBINATION' },
  { name: 'a key with a line break', config: { ...own, apiKey: 'a\nb' }, path: 'apiKey', code: 'INVALID_FORMAT' },
  {
    name: 'a key without authentication',
    config: { ...own, disableAuth: true, apiKey: 'a' },
    path: 'apiKey',
    code: 'INVALID_COMBINATION',
  },
  ...['*', 'a,b', 'a/b', '..', '_all', '-a', 'a b', '<logs-{now}>', 'other:a', 'a\0'].map(
    (index): BadConfig => ({
      name: `the index ${JSON.stringify(index)}`,
      config: { ...own, ...user, index },
      path: 'index',
      code: 'INVALID_FORMAT',
    }),
  ),
];

describeBadConfigs(elasticsearch, badConfigs);
describeBadConfigs(opensearch, badConfigs);
