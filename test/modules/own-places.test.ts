import { lookup } from 'node:dns/promises';
import { hostname, networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database, databasePlace, openDoorbell } from '../../src/platform/database/database.ts';
import { type Api, apiOf } from '../support/api.ts';
import { type NewDatabase, newTestDatabase } from '../support/databases.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';

let database: NewDatabase;
let place: URL;
/** The same database as `?host=` and `?port=` name it, which the driver obeys before the rest of the URL. */
let byParameters: string;

beforeAll(async () => {
  database = await newTestDatabase('postgres');
  place = new URL(database.url);
  const { username, password, hostname: host, port, pathname } = place;
  byParameters = `postgres://${username}:${password}@db.invalid:1${pathname}?host=${host}&port=${port}`;
});

afterAll(() => database.remove());

/** Every spelling of this machine that a config takes: its addresses, and the names of itself. */
async function hostsOfThisMachine(): Promise<string[]> {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  // link-local addresses are never reached anyway
  const usable = addresses.filter(({ address, scopeid }) => !scopeid && !address.startsWith('169.254.'));
  const own = new Set(['127.0.0.1', '127.0.0.2', '127.255.0.9', '::1', ...usable.map(({ address }) => address)]);
  // not every machine knows its own name
  const name = await lookup(hostname()).then(
    () => [hostname()],
    () => [],
  );
  return [...own, '::ffff:127.0.0.1', 'localhost', ...name];
}

const ownHosts = await hostsOfThisMachine();

describe('the driver of the database', () => {
  it.each([
    ['postgres://u@db.example/d', { host: 'db.example', port: 5432 }],
    ['postgres://u@[2001:db8::1]:6432/d', { host: '2001:db8::1', port: 6432 }],
    ['postgres://u@db.example:1/d?host=other.example&port=6432', { host: 'other.example', port: 6432 }],
    ['postgres://u@%2Fvar%2Frun%2Fpostgresql/d?port=6432', { host: '/var/run/postgresql', port: 6432 }],
    ['sqlite::memory:', undefined],
  ])('is asked where %s leads to', async (url, expected) => {
    expect(await databasePlace(url)).toEqual(expected);
  });

  it('says whom each of its connections has reached', async () => {
    const peers: object[] = [];
    const doorbell = await openDoorbell(byParameters, (peer) => peers.push(peer));
    const reached = { host: '127.0.0.1', port: Number(place.port) };
    expect(peers).toEqual([reached]);
    const opened = await Database.open({ url: byParameters, doorbell, onPeer: (peer) => peers.push(peer) });
    expect(peers).toEqual([reached, reached]);
    await opened.close();
    await doorbell.close();
  });
});

describe('a gateway’s own database', () => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await startGateway({ databaseUrl: byParameters, egressAllow: ['0.0.0.0/0', '::/0'] });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  afterAll(() => gateway.close());

  it.each(ownHosts)('is no target at %s, and another port is one', async (host) => {
    const port = Number(place.port);
    const save = (at: number) =>
      api.create({ environmentId, label: `${host} ${at}`, config: { postgres: postgresConfig({ host, port: at }) } });
    expect(await save(port)).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ code: 'ADDRESS_NOT_ALLOWED', configPath: 'host', message: expect.stringContaining('own listener') }],
    });
    expect(await save(port === 65_535 ? 1 : port + 1)).toMatchObject({ __typename: 'CreateDatastoreSuccess' });
  });

  it('is reached by no test', async () => {
    const { username, password } = place;
    const config = { username, password, database: 'postgres', port: Number(place.port) };
    for (const host of ['127.0.0.1', '127.0.0.2', 'localhost']) {
      const draft = { environmentId, config: { postgres: postgresConfig({ ...config, host }) } };
      const { id } = await api.testStarted({ target: { draft } });
      const { failure } = await api.ended(id);
      expect(failure).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED', configPath: 'host' });
      expect(failure?.hint).toContain('own listener and database');
      expect(failure?.hint).not.toContain('EGRESS_ALLOW');
    }
  });

  it('is as far away as its own listener', async () => {
    const port = Number(new URL(gateway.url).port);
    const config = { postgres: postgresConfig({ host: '127.0.0.1', port }) };
    expect(await api.create({ environmentId, config })).toMatchObject({ issues: [{ code: 'ADDRESS_NOT_ALLOWED' }] });
  });
});
