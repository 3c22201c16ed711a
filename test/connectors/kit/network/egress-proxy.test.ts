import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseEgressProxy } from '../../../../src/connectors/kit/network/addresses.ts';
import { postgres } from '../../../../src/connectors/postgres/index.ts';
import { qdrant } from '../../../../src/connectors/qdrant/index.ts';
import { type Authority, createAuthority } from '../../../support/certificates.ts';
import { type ConnectProxy, startConnectProxy } from '../../../support/peers/connect-proxy.ts';
import { startBastion } from '../../../support/peers/fake-bastion.ts';
import { startFakeQdrant } from '../../../support/peers/fake-qdrant.ts';
import { closedPort } from '../../../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../../../support/postgres.ts';
import { gist, type TestConnectionOptions, testConnection } from '../../../support/test-connection.ts';

let authority: Authority;
let database: PostgresServer;
let proxy: ConnectProxy;
let throughProxy: TestConnectionOptions;

beforeAll(async () => {
  authority = await createAuthority();
  const leaf = await authority.issue({ commonName: 'db.example' });
  database = await startPostgres({ tls: { key: leaf.key, cert: leaf.certificate }, settings: { ssl: 'on' } });
});

afterAll(() => database.stop());

beforeEach(async () => {
  proxy = await startConnectProxy();
  const known = ['db.example', 'search.example', 'bastion.example'];
  const lookup = async (host: string) => (known.includes(host) ? ['127.0.0.1'] : []);
  throughProxy = { proxy: parseEgressProxy(proxy.url), lookup };
});

afterEach(() => proxy.close());

function databaseConfig(more: Record<string, unknown> = {}): Record<string, unknown> {
  const { superuser: username, password, port } = database;
  const tls = { caCertificate: authority.certificate };
  return { host: 'db.example', port, username, password, database: 'postgres', tls, ...more };
}

describe('through the operator’s proxy', () => {
  it('PostgreSQL is reached by its checked address, with TLS for its name', async () => {
    const result = await testConnection(postgres, databaseConfig(), throughProxy);
    expect(result.failure).toBeNull();
    expect(result.evidence['tls/handshake']).toMatchObject({ subject: 'CN=db.example' });
    expect(proxy.asked).toEqual([`127.0.0.1:${database.port}`]);
    expect(proxy.answered).toEqual([200]);
    await proxy.listener.drained();
  });

  it('an HTTPS service is', async () => {
    const certificate = await authority.issue({ commonName: 'search.example' });
    const peer = await startFakeQdrant({ apiKey: 'a-key', collections: { products: 3 }, certificate });
    const tls = { caCertificate: authority.certificate };
    const config = { baseUrl: 'https://search.example', port: peer.port, apiKey: 'a-key', collection: 'products', tls };
    expect(await testConnection(qdrant, config, throughProxy)).toMatchObject({ status: 'PASSED', failure: null });
    expect(new Set(proxy.asked)).toEqual(new Set([`127.0.0.1:${peer.port}`]));
    expect(proxy.listener.accepted).toBe(peer.connections());
    await peer.close();
  });

  it('a bastion is, and the database behind it by the bastion alone', async () => {
    const bastion = await startBastion({
      user: { name: 'ann', password: 'bastion pass' },
      forwards: { 'db.example:5432': `127.0.0.1:${database.port}` },
    });
    const { port, fingerprint: hostKeyFingerprint } = bastion;
    const sshTunnel = { host: 'bastion.example', port, username: 'ann', password: 'bastion pass', hostKeyFingerprint };
    const result = await testConnection(postgres, databaseConfig({ port: 5432, sshTunnel }), throughProxy);
    expect(result.failure).toBeNull();
    expect(proxy.asked).toEqual([`127.0.0.1:${bastion.port}`]);
    expect(bastion.asked).toEqual(['db.example:5432']);
    await bastion.close();
  });

  it('what is not allowed is not asked for', async () => {
    const result = await testConnection(postgres, databaseConfig({ host: '10.0.0.1' }), throughProxy);
    expect(gist(result)).toMatchObject({ at: 'endpoint/resolve', code: 'ADDRESS_NOT_ALLOWED' });
    expect(proxy.listener.accepted).toBe(0);
  });

  it('a closed port is told with the proxy’s part in it', async () => {
    const result = await testConnection(postgres, databaseConfig({ port: await closedPort() }), throughProxy);
    expect(gist(result)).toEqual({ at: 'endpoint/connect', code: 'HOST_UNREACHABLE', configPath: 'host' });
    expect(result.failure?.hint).toContain('EGRESS_PROXY');
    expect(proxy.answered).toEqual([502]);
  });

  it('a wrong password for the proxy is the operator’s to mend', async () => {
    const wrong = { ...throughProxy, proxy: `http://gateway:wrong@127.0.0.1:${proxy.port}/` };
    const result = await testConnection(postgres, databaseConfig(), wrong);
    expect(gist(result)).toMatchObject({ at: 'endpoint/connect', code: 'HOST_UNREACHABLE' });
    expect(result.failure?.hint).toMatch(/EGRESS_PROXY.*operator/);
    expect(proxy.answered).toEqual([407]);
  });
});
