import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { Executor } from '../../src/executor/executor.ts';
import { testProgram } from '../support/child-program.ts';
import { eventually } from '../support/eventually.ts';

/** More than twice the silence after which a child that works is hung. */
const WITHOUT_TIME_MS = 5_000;

const lost: string[] = [];
const pids = new Set<number>();
const note = (details: object) => {
  const { executorPid, reason } = details as { executorPid?: number; reason?: string };
  if (executorPid !== undefined) pids.add(executorPid);
  if (reason !== undefined) lost.push(reason);
};
const executor = new Executor({
  policy: { allow: ['127.0.0.1/32'], forbidden: [] },
  size: 1,
  testing: testProgram(),
  logger: { info: note, warn: note, error: note },
});

afterAll(() => executor.close());

/** A test that waits for a word of its peer. */
async function waiting(timeoutMs: number) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => socket.destroy())));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const checks = ['first', 'second', 'third'].map((step) => `obeys/${step}/step`);
  const config = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const job = { testId: 't', environmentId: 'e', type: 'OBEYS', config, secrets: [], checks, timeoutMs };
  const outcome = executor.run(job, () => undefined, new AbortController().signal);
  await eventually(() => sockets.length === 1);
  return { outcome, pass: () => sockets[0]?.write('pass'), close: () => server.close() };
}

test('a child that the machine has no time for keeps its tests; one that never gets any again holds none past its deadline', async () => {
  const starved = await waiting(60_000);
  const [pid = 0] = pids;
  process.kill(pid, 'SIGSTOP');
  await sleep(WITHOUT_TIME_MS);
  process.kill(pid, 'SIGCONT');
  starved.pass();
  expect(await starved.outcome).toMatchObject({ status: 'PASSED' });
  expect({ lost, children: pids.size }).toEqual({ lost: [], children: 1 });

  const held = await waiting(3_000);
  const start = performance.now();
  process.kill(pid, 'SIGSTOP');
  expect(await held.outcome).toMatchObject({ status: 'FAILED', failure: { code: 'TIMEOUT' } });
  expect(performance.now() - start).toBeLessThan(3_000 + 2_000);
  await eventually(() => lost.length > 0);
  expect(lost).toEqual(['blocked']);
  for (const { close } of [starved, held]) close();
});
