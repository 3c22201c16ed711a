import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Document } from 'bson';
import { PeerSocket } from '../../../src/connectors/kit/contract/peer-socket.ts';
import { signInToMongodb } from '../../../src/connectors/mongodb/session.ts';
import { goProgram, goPrograms } from './go-programs.ts';
import { endProcess, freePorts, owned, startPeer } from './own-process.ts';

export const FERRETDB = goPrograms('ferretdb');

/** Who is there from the start. */
const ROOT = { username: 'root', password: 'the one of the start' };
const LISTENS = /Listening on (TCP|TLS) /;

export interface FerretdbOptions {
  /** PEM texts; with `ca` it wants a client certificate that this has signed. */
  readonly tls: { readonly certificate: string; readonly key: string; readonly ca?: string };
}

/** A running FerretDB with SQLite behind it, on loopback. Whoever signs in may do everything: it knows no roles yet. */
export interface Ferretdb {
  readonly port: number;
  readonly tlsPort: number;
  /** Runs commands in a database, one after the other. */
  administer(database: string, ...commands: readonly Document[]): Promise<void>;
  stop(): Promise<void>;
}

/** Starts FerretDB with all its files in a directory of its own; about a second. */
export function startFerretdb({ tls }: FerretdbOptions): Promise<Ferretdb> {
  return startPeer(async () => {
    const home = await mkdtemp(join(tmpdir(), 'gateway-ferretdb-'));
    const leave = () => rmSync(home, { recursive: true, force: true });
    process.once('exit', leave);
    const file = (name: string) => join(home, name);
    await mkdir(file('data'));
    for (const [name, text] of Object.entries(tls)) await writeFile(file(name), text, { mode: 0o600 });
    const [port = 0, tlsPort = 0] = await freePorts(2);
    const child = owned(
      spawn(
        goProgram('ferretdb'),
        [
          '--handler=sqlite',
          `--sqlite-url=file:${file('data')}/`,
          `--state-dir=${home}`,
          `--listen-addr=127.0.0.1:${port}`,
          `--listen-tls=127.0.0.1:${tlsPort}`,
          `--listen-tls-cert-file=${file('certificate')}`,
          `--listen-tls-key-file=${file('key')}`,
          ...(tls.ca === undefined ? [] : [`--listen-tls-ca-file=${file('ca')}`]),
          '--debug-addr=-',
          '--telemetry=disable',
          '--test-enable-new-auth',
          '--setup-database=admin',
          `--setup-username=${ROOT.username}`,
          `--setup-password=${ROOT.password}`,
        ],
        { env: { HOME: home }, stdio: ['ignore', 'ignore', 'pipe'] },
      ),
    );
    const stop = async () => {
      process.off('exit', leave);
      await endProcess(child);
      await rm(home, { recursive: true, force: true });
    };
    let log = '';
    let listeners = 0;
    for await (const line of createInterface(child.stderr)) {
      log += `${line}\n`;
      if (LISTENS.test(line)) listeners += 1;
      if (listeners === 2) break;
    }
    // what it writes from now on is read by nobody
    child.stderr.resume();
    if (listeners < 2) {
      await stop();
      throw new Error(`FerretDB did not start:\n${log}`);
    }
    return { port, tlsPort, administer: (database, ...commands) => administer(port, database, commands), stop };
  });
}

async function administer(port: number, database: string, commands: readonly Document[]): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const peer = new PeerSocket(socket, { address: '127.0.0.1', port });
  const session = await signInToMongodb(peer, ROOT);
  try {
    for (const command of commands) await session.write(database, command);
  } finally {
    session.close();
  }
}
