import { readFile } from 'node:fs/promises';
import { type Agent, request } from 'node:http';
import { createRequire } from 'node:module';

/** How many datastores a page of Q2 has. */
export const PAGE_SIZE = 50;

/** Makes the body of one kind of request; `count` tells how many were made before. */
export type NextBody = (count: number) => string;

export interface Target {
  readonly port: number;
  readonly pid: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** What one server did with one operation, an entry a round. */
export interface Load {
  readonly perSecond: number[];
  /** Microseconds of user and system time a request. */
  readonly cpuMicros: number[];
}

export function emptyLoad(): Load {
  return { perSecond: [], cpuMicros: [] };
}

/** The kernel counts the time of a process in hundredths of a second. */
const MICROS_PER_TICK = 10_000;

/** The user and system time of a process so far, in microseconds. */
export async function cpuMicrosOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}

/** Adds a round of so many seconds to what was found. */
export async function addRound(
  { perSecond, cpuMicros }: Load,
  target: Target,
  body: NextBody,
  connections: number,
  seconds: number,
): Promise<void> {
  const before = await cpuMicrosOf(target.pid);
  const { requests, seconds: took } = await load(target, body, connections, seconds);
  perSecond.push(requests / took);
  cpuMicros.push(((await cpuMicrosOf(target.pid)) - before) / requests);
}

/** Sends a body that may be refused, and gives the status and the text of the answer. */
export async function sendAnyhow({ port, headers }: Target, body: string): Promise<readonly [number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body,
  });
  return [response.status, await response.text()];
}

/** How many requests each has got so far: a change that is made once more would change nothing. */
const counts = new WeakMap<Target, number>();
/** How often the load looks whether its time is over, in milliseconds. */
const LOOK_MS = 50;

/** What is used here of autocannon, which takes half of the CPU time of Node's own client. */
type Autocannon = (options: {
  readonly url: string;
  readonly connections: number;
  readonly duration: number;
  readonly sampleInt: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly requests: readonly { readonly method: 'POST'; readonly setupRequest: (made: object) => object }[];
  readonly verifyBody: (text: string) => boolean;
}) => Promise<{
  readonly requests: { readonly total: number };
  readonly non2xx: number;
  readonly errors: number;
  readonly mismatches: number;
}>;

/**
 * Sends requests over `connections` kept-alive connections for some seconds, each waiting for its answer before it
 * sends the next, and tells how many were answered in which time. Rejects when one was refused.
 */
export async function load(
  target: Target,
  body: NextBody,
  connections: number,
  seconds: number,
): Promise<{ requests: number; seconds: number }> {
  // startSystems() has installed it by now
  const autocannon = createRequire(new URL('peers/', import.meta.url))('autocannon') as Autocannon;
  let count = counts.get(target) ?? 0;
  const setupRequest = (made: object) => {
    count += 1;
    return { ...made, body: body(count) };
  };
  const start = performance.now();
  const { requests, non2xx, errors, mismatches } = await autocannon({
    url: `http://127.0.0.1:${target.port}/graphql`,
    connections,
    duration: seconds,
    sampleInt: LOOK_MS,
    headers: { ...target.headers, 'content-type': 'application/json' },
    requests: [{ method: 'POST', setupRequest }],
    verifyBody: (text) => !text.includes('"errors"'),
  });
  const took = (performance.now() - start) / 1_000;
  counts.set(target, count);
  const refused = non2xx + errors + mismatches;
  if (refused > 0) throw new Error(`${refused} of ${requests.total} requests at port ${target.port} were refused`);
  return { requests: requests.total, seconds: took };
}

/** Sends one request and gives the whole of its answer. Rejects unless the status is 200. */
export function send(target: Pick<Target, 'port' | 'headers'>, body: string, agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...target.headers,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const sent = request(
      { host: '127.0.0.1', port: target.port, path: '/graphql', method: 'POST', agent, headers },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
