import { startGateway } from './gateway.ts';

/*
 * A gateway in a process of its own, for tests that kill it: `node gateway-process.ts DATABASE_URL FOLDER CHILD_URL`,
 * the last of which is the executor's child as it was built. It prints its URL and a token as one line of JSON, then
 * serves until it is killed. With Node's --expose-gc it tells at each SIGUSR2, as another line, how many bytes live in
 * its heap.
 */
const [databaseUrl, folder, childUrl] = process.argv.slice(2);
if (!databaseUrl || !folder || !childUrl) throw new Error('Give a database URL, a folder and a child’s URL');
// nobody counts its statements: kept, they would look like a leak
const { url, token } = await startGateway({
  databaseUrl,
  folder,
  testing: { onStatement: () => undefined, executor: { childUrl } },
});
process.stdout.write(`${JSON.stringify({ url, token })}\n`);
process.on('SIGUSR2', () => {
  globalThis.gc?.();
  process.stdout.write(`${JSON.stringify({ heap: process.memoryUsage().heapUsed })}\n`);
});
