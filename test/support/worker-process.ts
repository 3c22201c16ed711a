import { join } from 'node:path';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { Worker } from '../../src/worker.ts';

/*
 * A worker in a process of its own, for tests that kill it: `node worker-process.ts DATABASE_URL FOLDER CHILD_URL
 * [NETWORK]`. It prints a line once it takes tests, and stops at SIGTERM.
 */
const [databaseUrl, folder, childUrl, network] = process.argv.slice(2);
if (!databaseUrl || !folder || !childUrl) throw new Error('Give a database URL, a folder and a child’s URL');
const worker = await Worker.open({
  host: '127.0.0.1',
  databaseUrl,
  keyFile: join(folder, 'master.key'),
  egressAllow: ['127.0.0.0/8', '::1'],
  network,
  logger: createLogger({ level: 'warn', destination: process.stderr }),
  testing: { childUrl },
});
process.on('SIGTERM', () => void worker.close().then(() => process.exit(0)));
await worker.listen();
process.stdout.write('{}\n');
