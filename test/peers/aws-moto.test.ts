import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { athena } from '../../src/connectors/athena/index.ts';
import { s3 } from '../../src/connectors/s3/index.ts';
import { describeCauses, describeRealPeer } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import type { MotoServer } from '../support/peers/moto.ts';
import { startTlsEdge, type TlsEdge } from '../support/peers/tls-edge.ts';
import { createTokenIssuer } from '../support/peers/token-issuer.ts';
import { motoAthena, motoS3 } from '../support/real-peers/moto.ts';
import { gist, testConnection } from '../support/test-connection.ts';
import { authority, useStand } from '../support/use-stand.ts';

const roleArn = (name: string) => `arn:aws:iam::123456789012:role/${name}`;
const START_MS = 120_000;
const ATHENA = 'athena.eu-central-1.amazonaws.com';
const STS = 'sts.eu-central-1.amazonaws.com';
const EVERY_CHECK = ['bucket/head', 'objects/list', 'object/get', 'object/put'];

describePeer('moto, with IAM', motoS3.programs, () => {
  const used = useStand(motoS3.stand);
  let moto: MotoServer;
  beforeAll(async () => {
    ({ moto } = await used.shared());
  }, START_MS);

  describeCauses(motoS3, used);

  describe('S3', () => {
    const configFor = (more: Record<string, unknown> = {}, user = 'owner') => ({
      ...moto.keys[user],
      region: 'eu-central-1',
      bucket: 'my-data',
      baseUrl: moto.url,
      tls: { mode: 'DISABLE' },
      ...more,
    });

    test('every check passes, the writing one too', async () => {
      const config = configFor({ path: 'exports/a b & ü.csv', pathKind: 'FILE' });
      const result = await testConnection(s3, config, { methods: EVERY_CHECK });
      expect(result.failure).toBeNull();
      expect(result.evidence).toMatchObject({
        'bucket/head': { bucket: 'my-data' },
        'objects/list': { found: 'true' },
        'object/get': { bytes: '12' },
        'object/put': { written: 'true', removed: 'true' },
      });
    });

    test.each([
      ['exports', '2'],
      ['nothing', '0'],
    ])('the objects in the folder %s are counted', async (path, objects) => {
      const result = await testConnection(s3, configFor({ path, pathKind: 'FOLDER' }));
      expect(result.evidence['objects/list']).toMatchObject({ objects, more: 'false' });
    });

    test('s3:ListBucket is all that listing needs', async () => {
      const result = await testConnection(s3, configFor({}, 'lister'));
      expect(result.failure).toBeNull();
    });

    const role = (name: string, more: object = {}) => ({
      assumeRole: { roleArn: roleArn(name), ...more },
      stsUrl: moto.url,
    });
    const web = (name: string) => {
      const webIdentity = { roleArn: roleArn(name), token: createTokenIssuer('https://tokens.example', 'sts').token() };
      return { webIdentity, stsUrl: moto.url, accessKeyId: undefined, secretAccessKey: undefined };
    };

    test('a role that may list signs the requests, assumed by a key that may assume roles alone', async () => {
      expect(gist(await testConnection(s3, configFor({}, 'assumer'))).code).toBe('PERMISSION_DENIED');
      const result = await testConnection(s3, configFor(role('reader'), 'assumer'));
      expect(result.failure).toBeNull();
      expect(result.evidence['role/assume']?.role).toBe(
        'arn:aws:sts::123456789012:assumed-role/reader/datastore-gateway',
      );
    });

    test('a role that asks for an external id is given it', async () => {
      const result = await testConnection(s3, configFor(role('partner', { externalId: 'customer-42' }), 'assumer'));
      expect(result.failure).toBeNull();
    });

    // moto takes no unsigned request while it asks for rights, and looks at no token: our own fake does
    test.each([
      ['reader', undefined, undefined],
      ['idle', 'PERMISSION_DENIED', 'webIdentity.roleArn'],
    ])('the role %s of a web identity signs the requests', async (name, code, configPath) => {
      await moto.letThrough(1);
      const result = await testConnection(s3, configFor(web(name)));
      expect(result.steps[0]).toBe('role/assume: PASSED');
      expect(gist(result)).toMatchObject({ code, configPath });
    });

    test.each<readonly [string, () => Record<string, unknown>, string, string, string, string]>([
      [
        'a wrong secret key',
        () => ({ ...role('reader'), secretAccessKey: 'wrong' }),
        'assumer',
        'role/assume',
        'KEY_REFUSED',
        'secretAccessKey',
      ],
      [
        'a key that may assume no role',
        () => role('reader'),
        'stranger',
        'role/assume',
        'PERMISSION_DENIED',
        'assumeRole.roleArn',
      ],
      [
        'a role without any right',
        () => role('idle'),
        'assumer',
        'bucket/head',
        'PERMISSION_DENIED',
        'assumeRole.roleArn',
      ],
      [
        'a role that trusts others',
        () => role('reader'),
        'untrusted',
        'role/assume',
        'PERMISSION_DENIED',
        'assumeRole.roleArn',
      ],
      [
        'another external id',
        () => role('partner', { externalId: 'customer-43' }),
        'assumer',
        'role/assume',
        'PERMISSION_DENIED',
        'assumeRole.roleArn',
      ],
    ])('%s is told', async (_what, change, user, at, code, configPath) => {
      expect(gist(await testConnection(s3, configFor(change(), user)))).toEqual({ at, code, configPath });
    });
  });

  describe('Athena', () => {
    let edge: TlsEdge;
    beforeAll(async () => {
      edge = await startTlsEdge(moto.port, await authority.issue({ names: [ATHENA, STS] }));
    });
    afterAll(() => edge?.close());

    const tryIt = (change: Record<string, unknown> = {}, user = 'owner', methods?: readonly string[]) => {
      const { port } = edge;
      const place = { region: 'eu-central-1', outputLocation: 's3://my-data/athena/', database: 'default' };
      const names = { [`${ATHENA}:443`]: `127.0.0.1:${port}`, [`${STS}:443`]: `127.0.0.1:${port}` };
      const how = { names, publicCa: authority.certificate, ...(methods ? { methods } : {}) };
      return testConnection(athena, { ...moto.keys[user], ...place, ...change }, how);
    };

    test('signs in, and runs a query', async () => {
      const result = await tryIt({}, 'owner', ['session/authenticate', 'query/execute']);
      expect(result.failure).toBeNull();
      expect(result.steps).toContain('query/execute: PASSED');
    });

    test('takes a role that a key has assumed over TLS, at the STS of the region', async () => {
      const result = await tryIt({ assumeRole: { roleArn: roleArn('analyst') } }, 'assumer');
      expect(result.failure).toBeNull();
      expect(result.steps[0]).toBe('role/assume: PASSED');
    });

    test('a role without any right is told', async () => {
      const result = await tryIt({ assumeRole: { roleArn: roleArn('idle') } }, 'assumer');
      expect(gist(result)).toMatchObject({ code: 'PERMISSION_DENIED', configPath: 'assumeRole.roleArn' });
    });
  });
});

describeRealPeer(motoAthena);
