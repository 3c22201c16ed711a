import { Agent, request } from 'node:http';

/** How many datastores a page of Q2 has. */
export const PAGE_SIZE = 50;

/** Makes the body of one kind of request; `count` tells how many were made before. */
export type NextBody = (count: number) => string;

export interface Target {
  readonly port: number;
  readonly pid: number;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Sends requests over `connections` kept-alive connections for `ms` milliseconds, each waiting for its answer before it
 * sends the next, and gives the requests per second.
 */
export async function load(target: Target, body: NextBody, connections: number, ms: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const end = performance.now() + ms;
  let count = 0;
  let done = 0;
  const worker = async () => {
    while (performance.now() < end) {
      count += 1;
      await send(target, body(count), agent);
      done += 1;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: connections }, worker));
  agent.destroy();
  return (done / (performance.now() - start)) * 1000;
}

/** Sends one request and gives the whole of its answer. Rejects unless the status is 200. */
export function send(target: Target, body: string, agent?: Agent): Promise<string> {
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
