import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { RemoteWorker } from '../../src/remote-worker.ts';

/*
 * A worker that asks a gateway, in a process of its own, for tests that kill it: `node remote-worker-process.ts URL
 * TOKEN CHILD_URL [NETWORK]`. It prints a line once it takes tests, stops at SIGTERM, and ends with 1 when the gateway
 * refuses it, as the command does.
 */
const [url, token, childUrl, network] = process.argv.slice(2);
if (!url || !token || !childUrl) throw new Error('Give a gateway’s URL, a token and a child’s URL');
const worker: RemoteWorker = await RemoteWorker.open({
  host: '127.0.0.1',
  gateway: { url: new URL(url), token },
  egressAllow: ['127.0.0.0/8', '::1'],
  network,
  logger: createLogger({ level: 'warn', destination: process.stderr }),
  testing: { childUrl },
  onRefused: () => void worker.close().then(() => process.exit(1)),
});
process.on('SIGTERM', () => void worker.close().then(() => process.exit(0)));
await worker.listen();
process.stdout.write('{}\n');
