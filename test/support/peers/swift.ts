import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { signAwsRequest } from '../../../src/connectors/families/aws/signing.ts';
import type { PeerPrograms } from './installed.ts';
import { endProcess, freePorts, hasEnded, owned, startPeer } from './own-process.ts';

/** What a Swift with S3's API on top needs. */
export const SWIFT: PeerPrograms = {
  programs: [
    'swift-proxy-server',
    'swift-account-server',
    'swift-container-server',
    'swift-object-server',
    'memcached',
  ],
  packages: ['swift-proxy', 'swift-account', 'swift-container', 'swift-object', 'memcached'],
};

/** An OpenStack Swift of one node, with S3's API (`s3api`) and its own user list (`tempauth`). */
export interface SwiftServer {
  readonly url: string;
  /** May do everything. */
  readonly owner: SwiftUser;
  /** Known, but without any right. */
  readonly stranger: SwiftUser;
  /** Knows the same users, and keeps the access control lists of S3: what is made here is its owner's alone. */
  readonly aclUrl: string;
  /** Has the rights that access control lists give it. */
  readonly guest: SwiftUser;
  readonly region: string;
  /** Sends the owner's request to aclUrl, by S3's API. Rejects with the status when it is refused. */
  askS3(method: string, path: string, headers?: Readonly<Record<string, string>>, body?: string): Promise<void>;
  /** Makes a bucket of the owner's, by Swift's own API. */
  createBucket(name: string, objects?: Readonly<Record<string, string>>): Promise<void>;
  /** The keys in a bucket, by Swift's own API. */
  keys(bucket: string): Promise<string[]>;
  stop(): Promise<void>;
}

export interface SwiftUser {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const OWNER = { accessKeyId: 'test:owner', secretAccessKey: 'owner-secret-Zq3' };
const STRANGER = { accessKeyId: 'test:stranger', secretAccessKey: 'stranger-secret-Lm8' };
const GUEST = { accessKeyId: 'test:guest', secretAccessKey: 'guest-secret-Bw5' };
const REGION = 'eu-test-1';
/** Before which a bucket may stand in the name of the host. */
export const BUCKETS_DOMAIN = 's3.example';
const SERVERS = ['account', 'container', 'object'] as const;
const STORAGE_PIPELINES = { account: 'account-server', container: 'container-server', object: 'object-server' };
const START_MS = 60_000;
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin', LC_ALL: 'C.UTF-8' };
const run = promisify(execFile);

/** Starts the six processes on free ports, with all their files in a directory of its own; about 10 seconds. */
export function startSwift(): Promise<SwiftServer> {
  return startPeer(startServers);
}

async function startServers(): Promise<SwiftServer> {
  const home = await mkdtemp(join(tmpdir(), 'gateway-swift-'));
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(endProcess));
    await rm(home, { recursive: true, force: true });
  };
  try {
    const [memcache = 0, proxy = 0, aclProxy = 0, ...storage] = await freePorts(3 + SERVERS.length);
    children.push(start('memcached', ['-l', '127.0.0.1', '-p', String(memcache), ...asNobody()]));
    await makeRings(
      home,
      SERVERS.map((kind, index) => `${kind}:${storage[index]}`),
    );
    for (const [index, kind] of SERVERS.entries()) {
      const port = storage[index] as number;
      await writeFile(join(home, `${kind}.conf`), storageConfig(home, kind, port));
      children.push(start(`swift-${kind}-server`, [join(home, `${kind}.conf`)]));
    }
    const proxies = Object.entries({ proxy: { port: proxy, acl: false }, 'acl-proxy': { port: aclProxy, acl: true } });
    for (const [name, { port, acl }] of proxies) {
      await writeFile(join(home, `${name}.conf`), proxyConfig(home, port, memcache, acl));
      children.push(start('swift-proxy-server', [join(home, `${name}.conf`)]));
    }
    const url = `http://127.0.0.1:${proxy}`;
    const aclUrl = `http://127.0.0.1:${aclProxy}`;
    await Promise.all([ready(url, children), ready(aclUrl, children)]);
    const ask = await signIn(url);
    const users = { owner: OWNER, stranger: STRANGER, guest: GUEST };
    return { url, aclUrl, ...users, region: REGION, stop, askS3: asOwner(aclUrl), ...bucketsOf(ask) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Makes all rings in one Python: to start it for each step of `swift-ring-builder` takes longer than all the rest. */
const MAKE_RINGS = `
import sys
from swift.common.ring import RingBuilder
home, *places = sys.argv[1:]
for place in places:
    kind, port = place.split(':')
    builder = RingBuilder(4, 1, 1)
    at = {'ip': '127.0.0.1', 'port': int(port), 'replication_ip': '127.0.0.1', 'replication_port': int(port)}
    builder.add_dev({'region': 1, 'zone': 1, 'device': 'disk', 'weight': 1, 'meta': '', **at})
    builder.rebalance()
    builder.get_ring().save(f'{home}/{kind}.ring.gz')
`;

async function makeRings(home: string, places: readonly string[]): Promise<void> {
  await mkdir(join(home, 'devices', 'disk'), { recursive: true });
  await run('/usr/bin/python3', ['-c', MAKE_RINGS, home, ...places], { env: ENVIRONMENT });
}

function storageConfig(home: string, kind: (typeof SERVERS)[number], port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${process.getuid?.() === 0 ? 'root' : (process.env.USER ?? 'nobody')}
swift_dir = ${home}
devices = ${join(home, 'devices')}
mount_check = false
[pipeline:main]
pipeline = ${STORAGE_PIPELINES[kind]}
[app:${STORAGE_PIPELINES[kind]}]
use = egg:swift#${kind}
`;
}

function proxyConfig(home: string, port: number, memcache: number, acl: boolean): string {
  const user = ({ accessKeyId, secretAccessKey }: SwiftUser, groups: string) =>
    `user_${accessKeyId.replace(':', '_')} = ${secretAccessKey} ${groups}`;
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${process.getuid?.() === 0 ? 'root' : (process.env.USER ?? 'nobody')}
swift_dir = ${home}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${memcache}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = ${REGION}
s3_acl = ${acl}
storage_domain = ${BUCKETS_DOMAIN}
[filter:tempauth]
use = egg:swift#tempauth
${user(OWNER, '.admin')}
${user(STRANGER, '')}
${user(GUEST, '')}
`;
}

/** Answers to healthcheck, and the storage behind it takes an account. */
async function ready(url: string, children: readonly ChildProcess[]): Promise<void> {
  const giveUp = Date.now() + START_MS;
  while (Date.now() < giveUp) {
    const dead = children.find(hasEnded);
    if (dead) throw new Error(`${dead.spawnfile} ended with code ${dead.exitCode} while starting`);
    const answer = await fetch(`${url}/healthcheck`).catch(() => undefined);
    if (answer?.ok) return;
    await delay(100);
  }
  throw new Error('Swift did not start in time');
}

type Ask = (method: string, path: string, body?: string) => Promise<string>;

/** Swift's own API, as the owner. */
async function signIn(url: string): Promise<Ask> {
  const headers = { 'x-auth-user': OWNER.accessKeyId, 'x-auth-key': OWNER.secretAccessKey };
  const answer = await fetch(`${url}/auth/v1.0`, { headers });
  const token = answer.headers.get('x-auth-token');
  const account = answer.headers.get('x-storage-url');
  if (!answer.ok || !token || !account) throw new Error(`Swift does not let its owner in: ${answer.status}`);
  const send = (method: string, path: string, body?: string) =>
    fetch(`${account}/${path}`, { method, headers: { 'x-auth-token': token }, body });
  return async (method, path, body) => {
    let response = await send(method, path, body);
    // on a busy machine its own parts may time out on one another at first
    for (let attempt = 0; response.status === 503 && attempt < 20; attempt += 1) {
      await delay(250);
      response = await send(method, path, body);
    }
    if (!response.ok) throw new Error(`Swift answers ${response.status} to ${method} ${path}`);
    return response.text();
  };
}

function asOwner(url: string): SwiftServer['askS3'] {
  return async (method, path, headers = {}, body = '') => {
    const { host } = new URL(url);
    const request = { method, host, path, query: {}, headers, body };
    const signed = await signAwsRequest(request, OWNER, { region: REGION, service: 's3' });
    const answer = await fetch(url + path, { method, headers: signed, ...(body === '' ? {} : { body }) });
    if (!answer.ok) throw new Error(`Swift answers ${answer.status} to ${method} ${path}: ${await answer.text()}`);
  };
}

function bucketsOf(ask: Ask): Pick<SwiftServer, 'createBucket' | 'keys'> {
  return {
    async createBucket(name, objects = {}) {
      await ask('PUT', name);
      for (const [key, content] of Object.entries(objects)) await ask('PUT', `${name}/${encodeURI(key)}`, content);
    },
    keys: async (bucket) => (await ask('GET', bucket)).split('\n').filter(Boolean),
  };
}

function start(program: string, args: readonly string[]): ChildProcess {
  return owned(spawn(program, args, { env: ENVIRONMENT, stdio: 'ignore' }));
}

function asNobody(): string[] {
  return process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
}
