import { startGateway } from './gateway.ts';

/*
 * A gateway in a process of its own, for tests that kill it: `node gateway-process.ts DATABASE_URL FOLDER CHILD_URL
 * [AHEAD_MS [WEBHOOK_TICK_MS [TAKES_TESTS]]]`. CHILD_URL is the executor's child as it was built, AHEAD_MS by how much
 * this machine's clock is to be wrong, as far as the gateway can see; without WEBHOOK_TICK_MS nothing is sent to
 * webhooks, and TAKES_TESTS is false where workers take its tests.
 * It prints its URL and a token as one line of JSON, then
 * serves until it is killed. With Node's --expose-gc it tells at each SIGUSR2, as another line, how many bytes live in
 * its heap, and how many in buffers outside of it.
 */
const [databaseUrl, folder, childUrl, aheadMs = '0', webhookTickMs, takesTests] = process.argv.slice(2);
if (!databaseUrl || !folder || !childUrl) throw new Error('Give a database URL, a folder and a child’s URL');
if (Number(aheadMs) !== 0) setClock(Number(aheadMs));
// nobody counts its statements: kept, they would look like a leak
const { url, token } = await startGateway({
  databaseUrl,
  folder,
  takesTests: takesTests !== 'false',
  testing: {
    onStatement: () => undefined,
    executor: { childUrl },
    ...(webhookTickMs ? { webhookTickMs: Number(webhookTickMs) } : {}),
  },
});
process.stdout.write(`${JSON.stringify({ url, token })}\n`);
process.on('SIGUSR2', () => {
  globalThis.gc?.();
  const { heapUsed: heap, external: buffers } = process.memoryUsage();
  process.stdout.write(`${JSON.stringify({ heap, buffers })}\n`);
});

/** Sets what everybody in this process takes for the machine's clock, drivers included. */
function setClock(ms: number): void {
  globalThis.Date = new Proxy(Date, {
    construct: (RightDate, given, made) =>
      Reflect.construct(RightDate, given.length === 0 ? [RightDate.now() + ms] : given, made),
    get: (RightDate, key) => (key === 'now' ? () => RightDate.now() + ms : Reflect.get(RightDate, key)),
  });
}
