import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { Executor, findConfinement } from '../../src/executor/executor.ts';
import { testProgram } from '../support/child-program.ts';
import { type Aims, plays, type Result } from '../support/hijacked-driver.ts';

/* The exact list of what a driver can do that a peer has taken over. docs/security.md tells it in words. */

/** On every system. */
const ALWAYS = [
  'dgram: send a datagram',
  'dns: look a name up',
  'fs: resolve a path',
  'net: connect to the gateway and its database',
  'net: listen',
  'net: make a Unix socket',
  'os: ask for the machine’s addresses',
];
/** Where the child is the gateway's own user. */
const AS_SAME_USER = [
  'fs: resolve a path of the gateway’s user',
  'http: send a request to a Unix socket of the gateway’s user',
  'net: connect to a Unix socket of the gateway’s user',
];
/** Where it is that user and sees other processes. */
const AMONG_PROCESSES = [
  'os: slow the gateway down',
  'process: open the gateway’s inspector',
  'process: signal the gateway',
  'process: signal the gateway by a hidden way',
];
/** Where that user is root. */
const AS_ROOT = ['process: become root', 'process: become root’s group', 'process: take the groups of root'];

const confinement = await findConfinement();
const isRoot = process.getuid?.() === 0;
const possible = [
  ...ALWAYS,
  ...(confinement.ownUser ? [] : AS_SAME_USER),
  ...(confinement.ownUser || confinement.ownProcesses ? [] : AMONG_PROCESSES),
  ...(isRoot && !confinement.ownUser ? AS_ROOT : []),
];

const servers: Server[] = [];
const log: { readonly message: string; readonly reason?: string }[] = [];
const ignore = () => undefined;
let folder: string;
let own: string;
let executor: Executor;

beforeAll(() => {
  own = mkdtempSync(join(tmpdir(), 'hijacked-own-'));
  writeFileSync(join(own, 'master.key'), 'the key', { mode: 0o600 });
  folder = mkdtempSync(join(tmpdir(), 'hijacked-'));
  writeFileSync(join(folder, 'file'), 'NAME=value');
  for (const path of [folder, join(folder, 'file')]) chmodSync(path, 0o777);
  // as a gateway does, or its inspector would open
  process.on('SIGUSR1', ignore);
  const write = (details: object, message: string) => log.push({ ...details, message });
  executor = new Executor({
    policy: { allow: ['127.0.0.1/32'], forbidden: [] },
    size: 1,
    testing: testProgram(),
    logger: { info: write, warn: write, error: write },
  });
  executor.confine(confinement);
});

afterAll(async () => {
  await executor.close();
  for (const server of servers) server.close();
  process.off('SIGUSR1', ignore);
  for (const path of [own, folder]) rmSync(path, { recursive: true });
});

async function listen(place: string | number, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => onConnection(socket.on('error', ignore)));
  servers.push(server);
  await once(typeof place === 'string' ? server.listen(place) : server.listen(place, '127.0.0.1'), 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

it('plays each of Node’s modules, or says why there is nothing to play', () => {
  expect(builtinModules.filter((name) => plays[name] === undefined)).toEqual([]);
});

it.runIf(isRoot && process.platform === 'linux')('is not root’s where the gateway is', () => {
  expect(confinement).toMatchObject({ ownUser: true, noNewPrivileges: true });
});

it('can do what is listed here, and nothing else', async () => {
  const ownSocket = join(own, 'own.sock');
  const answer = (socket: Socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n');
  const listener = await listen(0, answer);
  await listen(ownSocket, answer);
  const file = join(folder, 'file');
  const ports = [portOf(listener), Number(new URL(inject('postgresUrl')).port)];
  const aims: Aims = { file, folder, ownFile: join(own, 'master.key'), ownSocket, pid: process.pid, ports };

  const calls: Socket[] = [];
  const peer = await listen(0, (socket) => calls.push(socket));
  const cancel = new AbortController();
  const checks = ['first', 'second', 'third'].map((step) => `plays/${step}/step`);
  const config = { host: '127.0.0.1', port: portOf(peer) };
  const place = { testId: 'a-test', environmentId: 'an-environment', type: 'PLAYS', timeoutMs: 60_000 };
  const outcome = executor.run({ ...place, config, secrets: [], checks }, ignore, cancel.signal);
  await vi.waitFor(() => expect(calls).toHaveLength(1), 30_000);
  const [socket] = calls as [Socket];
  socket.write(JSON.stringify(aims));
  const [line] = await once(createInterface(socket), 'line');
  const results: Record<string, Result> = JSON.parse(line);

  const done = Object.keys(results).filter((name) => results[name] === 'done');
  expect(done.toSorted()).toEqual(possible.toSorted());
  expect(Object.values(results)).not.toContain('SILENT');
  expect(readFileSync(file, 'utf8')).toBe('NAME=value');
  expect(readdirSync(folder)).toEqual(['file']);
  expect([`${file}-renamed`, `${folder}-copied`].filter((path) => existsSync(path))).toEqual([]);

  // V8 ends a process that changes its flags late
  socket.write('flags');
  await vi.waitFor(() => expect(log.map(({ reason }) => reason)).toContain('crashed'), 20_000);
  cancel.abort();
  expect((await outcome).status).toBe('CANCELLED');
});
