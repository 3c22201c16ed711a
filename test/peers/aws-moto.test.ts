import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { athena } from '../../src/connectors/athena/index.ts';
import { s3 } from '../../src/connectors/s3/index.ts';
import { describePeer } from '../support/peers/installed.ts';
import { MOTO, type MotoServer, startMoto } from '../support/peers/moto.ts';
import { createTokenIssuer } from '../support/peers/token-issuer.ts';
import { gist, testConnection } from '../support/test-connection.ts';
import { authority } from '../support/use-stand.ts';

const roleArn = (name: string) => `arn:aws:iam::123456789012:role/${name}`;
const START_MS = 120_000;
const ATHENA = 'athena.eu-central-1.amazonaws.com';
const STS = 'sts.eu-central-1.amazonaws.com';
const EVERY_CHECK = ['bucket/head', 'objects/list', 'object/get', 'object/put'];

describePeer('moto, with IAM', MOTO, () => {
  let moto: MotoServer;
  beforeAll(async () => {
    moto = await startMoto(join(import.meta.dirname, 'moto/setup.py'));
  }, START_MS);
  afterAll(() => moto?.stop());

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

    test.each<readonly [string, Record<string, unknown>, string | undefined, string, string]>([
      ['a wrong secret key', { secretAccessKey: 'wrong' }, undefined, 'KEY_REFUSED', 'secretAccessKey'],
      ['an unknown key id', { accessKeyId: 'AKIDNOBODY' }, undefined, 'KEY_REFUSED', 'accessKeyId'],
      ['a bucket that is none', { bucket: 'no-such-bucket' }, undefined, 'BUCKET_NOT_FOUND', 'bucket'],
      ['a user without any right', {}, 'stranger', 'PERMISSION_DENIED', 'accessKeyId'],
    ])('%s is told', async (_what, change, user, code, configPath) => {
      expect(gist(await testConnection(s3, configFor(change, user)))).toMatchObject({ code, configPath });
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
    let edge: Server;
    beforeAll(async () => {
      const { certificate: cert, key } = await authority.issue({ names: [ATHENA, STS] });
      edge = createServer({ cert, key }, (client) => {
        const peer = connect(moto.port, '127.0.0.1');
        peer.on('error', () => client.destroy()).pipe(client);
        client.on('error', () => peer.destroy()).pipe(peer);
      });
      await new Promise<void>((resolve) => edge.listen(0, '127.0.0.1', resolve));
    });
    afterAll(() => edge?.close());

    const tryIt = (change: Record<string, unknown> = {}, user = 'owner', methods?: readonly string[]) => {
      const { port } = edge.address() as AddressInfo;
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

    test.each<readonly [string, Record<string, unknown>, string | undefined, string, string]>([
      ['a wrong secret key', { secretAccessKey: 'wrong' }, undefined, 'KEY_REFUSED', 'secretAccessKey'],
      ['an unknown key id', { accessKeyId: 'AKIDNOBODY' }, undefined, 'KEY_REFUSED', 'accessKeyId'],
      ['a user without any right', {}, 'stranger', 'PERMISSION_DENIED', 'accessKeyId'],
      [
        'a role without any right',
        { assumeRole: { roleArn: roleArn('idle') } },
        'assumer',
        'PERMISSION_DENIED',
        'assumeRole.roleArn',
      ],
    ])('%s is told', async (_what, change, user, code, configPath) => {
      expect(gist(await tryIt(change, user))).toMatchObject({ code, configPath });
    });
  });
});
