import { describe, expect, test } from 'vitest';
import { elasticsearch } from '../../../../src/connectors/elasticsearch/index.ts';
import { decodeCloudId, elasticTarget } from '../../../../src/connectors/families/elastic/config.ts';
import { changedDestinations } from '../../../../src/connectors/kit/config/shape.ts';
import { opensearch } from '../../../../src/connectors/opensearch/index.ts';
import { type BadConfig, describeBadConfigs } from '../../../support/bad-configs.ts';
import { elasticsearchStand } from '../../../support/stands/elasticsearch.ts';
import { opensearchStand } from '../../../support/stands/opensearch.ts';

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

const CLOUD = { ...cloud, url: undefined };
const NOBODY = { username: undefined, password: undefined };

const badConfigs: readonly BadConfig[] = [
  ['no server type', { serverType: undefined }, 'serverType', 'INVALID_VALUE'],
  ['an unknown server type', { serverType: 'CLOUD' }, 'serverType', 'INVALID_VALUE'],
  ['no URL', { url: undefined }, 'url', 'REQUIRED'],
  ['no Cloud ID', { serverType: 'OPEN_CLOUD', url: undefined }, 'cloudId', 'REQUIRED'],
  ['no base64', { ...CLOUD, cloudId: 'a:b' }, 'cloudId', 'INVALID_FORMAT'],
  ['a Cloud ID beside a URL', { cloudId: ID }, 'cloudId', 'INVALID_COMBINATION'],
  ['a URL beside a Cloud ID', { ...CLOUD, url: own.url }, 'url', 'INVALID_COMBINATION'],
  ['a cloud in clear text', { ...CLOUD, tls: { mode: 'DISABLE' } }, 'tls.mode', 'INVALID_COMBINATION'],
  ['a cloud without authentication', { ...CLOUD, ...NOBODY, disableAuth: true }, 'disableAuth', 'INVALID_COMBINATION'],
  ['http:// with TLS', { url: 'http://s.example' }, 'url', 'INVALID_COMBINATION'],
  ['a user in the URL', { url: 'https://a:b@s.example' }, 'url', 'SECRET_IN_OPEN_FIELD'],
  ['an odd address', { url: 'https://2130706433:9200' }, 'url', 'INVALID_FORMAT'],
  ['a password without a user', { username: undefined }, 'username', 'REQUIRED'],
  ['a user without a password', { password: undefined }, 'password', 'REQUIRED'],
  ['a colon in the user name', { username: 'a:b' }, 'username', 'INVALID_FORMAT'],
  ['a user and a key', { apiKey: 'a' }, 'apiKey', 'INVALID_COMBINATION'],
  ['a key with a line break', { ...NOBODY, apiKey: 'a\nb' }, 'apiKey', 'INVALID_FORMAT'],
  ['a key without authentication', { ...NOBODY, disableAuth: true, apiKey: 'a' }, 'apiKey', 'INVALID_COMBINATION'],
  ...['*', 'a,b', 'a/b', '..', '_all', '-a', 'a b', '<logs-{now}>', 'other:a', 'a\0'].map(
    (index): BadConfig => [`the index ${JSON.stringify(index)}`, { index }, 'index', 'INVALID_FORMAT'],
  ),
];

describeBadConfigs(elasticsearchStand, badConfigs);
describeBadConfigs(opensearchStand, badConfigs);
