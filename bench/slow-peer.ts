/**
 * A server that answers as Qdrant does, after so many milliseconds as it is told; under `/stalled` it never answers. It
 * tells by `/asked` what it was asked so far. tests-at-once.ts starts it, and it prints its port.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ms = Number(process.argv[2]);
const collection = { status: 'green', points_count: 3, segments_count: 2 };
const results: Readonly<Record<string, object>> = {
  '/collections': { collections: [{ name: 'products' }] },
  '/collections/products': collection,
  '/collections/products/points/count': { count: 3 },
};
const asked: { readonly method: string; readonly path: string }[] = [];

const server = createServer((request, response) => {
  const { method = '', url: path = '' } = request;
  const answer = (body: object) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  };
  if (path === '/asked') return answer(asked);
  asked.push({ method, path });
  request.resume();
  if (path.startsWith('/stalled')) return;
  const about = { title: 'qdrant - vector search engine', version: '1.15.4' };
  setTimeout(() => answer(path === '/' ? about : { result: results[path], status: 'ok', time: 0 }), ms);
});
server.listen(0, '127.0.0.1', 1_024, () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
