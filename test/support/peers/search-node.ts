import type { ChildProcessByStdio } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IssuedCertificate } from '../certificates.ts';
import { endProcess, hasEnded } from './own-process.ts';

const TRIES = 600;
const PAUSE_MS = 200;

/** A node of Elasticsearch or OpenSearch with its own access control, over HTTPS on loopback. */
export interface SearchNode {
  readonly port: number;
  /** Sends a request as who may do everything; rejects with the answer unless it is a success. */
  administer(method: string, path: string, body?: string): Promise<string>;
  /** Has it show another certificate from now on. Left out: it takes none later than at its start. */
  readonly present?: (certificate: IssuedCertificate) => Promise<void>;
  stop(): Promise<void>;
}

interface SearchProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly port: number;
  /** The directory with all its files, which goes with it. */
  readonly home: string;
  readonly administrator: { readonly name: string; readonly password: string };
}

/** The settings of either product for a cluster of one node, with its files in a folder of its own. */
export function nodeSettings(home: string, port: number, transport: number): string[] {
  return [
    'cluster.name: shop',
    'node.name: node-1',
    'network.host: 127.0.0.1',
    `http.port: ${port}`,
    `transport.port: ${transport}`,
    'discovery.type: single-node',
    `path.data: ${join(home, 'data')}`,
    `path.logs: ${join(home, 'logs')}`,
    'cluster.routing.allocation.disk.threshold_enabled: false',
  ];
}

/** The node, once it knows its administrator. */
export async function started(
  product: string,
  { child, port, home, administrator }: SearchProcess,
): Promise<SearchNode> {
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (words: string) => {
      log = `${log}${words}`.slice(-20_000);
    });
  const stop = async () => {
    await endProcess(child);
    await rm(home, { recursive: true, force: true });
  };
  const encoded = Buffer.from(`${administrator.name}:${administrator.password}`).toString('base64');
  const administer: SearchNode['administer'] = (method, path, body = '') =>
    ask(port, `Basic ${encoded}`, method, path, body);
  try {
    for (let tries = 0; !(await isReady(administer)); tries += 1) {
      if (tries === TRIES || hasEnded(child)) throw new Error(`${product} did not start:\n${log}`);
      await sleep(PAUSE_MS);
    }
    return { port, administer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function isReady(administer: SearchNode['administer']): Promise<boolean> {
  return administer('GET', '/').then(
    () => true,
    () => false,
  );
}

async function ask(port: number, authorization: string, method: string, path: string, body: string): Promise<string> {
  const length = { 'content-length': Buffer.byteLength(body) };
  const headers = { authorization, 'content-type': 'application/json', ...length };
  const [status, answer] = await new Promise<[number, string]>((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false }, (response) =>
      text(response).then((words) => resolve([response.statusCode ?? 0, words]), reject),
    )
      .once('error', reject)
      .end(body);
  });
  if (status < 200 || status >= 300) throw new Error(`${method} ${path}: ${status} ${answer}`);
  return answer;
}

/** The settings of Log4j: warnings, to the console. */
export const CONSOLE_LOGGING = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
`;
