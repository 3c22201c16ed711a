import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { childProgram } from '../support/child-program.ts';
import { newTestDatabase } from '../support/databases.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import { clientOf, type GatewayClient } from '../support/gateway.ts';
import type { CreateDatastoreInput } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';

const config = { postgres: postgresConfig() };
const CALLS = 60;
/** How many call at once, and after which answer the gateway is killed. */
const CALLERS = 6;
const ANSWERED = 15;

describeEachGateway('a call with an idempotency key', (open, kind) => {
  test('whose gateway is killed: it took effect or left nothing, and sent again it takes effect once', async () => {
    const { url, remove } = await newTestDatabase(kind);
    const folder = await mkdtemp(join(tmpdir(), 'gateway-killed-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const { child, client, token } = await startProcess(url, folder);
    const environmentId = await apiOf(client).newEnvironment();
    const inputs = Array.from({ length: CALLS }, (_, at) => ({
      environmentId,
      name: `n${at}`,
      config,
      idempotencyKey: `key ${at}`,
    }));
    let answered = 0;
    const killed = once(child, 'exit');
    const create = async (input: CreateDatastoreInput) => {
      const answer = await apiOf(client).created(input);
      answered += 1;
      // others are on their way: some were stored, and some of these were not answered
      if (answered === ANSWERED) child.kill('SIGKILL');
      return answer;
    };
    const before: PromiseSettledResult<Awaited<ReturnType<typeof create>>>[] = [];
    // by turns, for a gateway that is asked for all at once may answer all at once
    const waiting = [...inputs.entries()];
    const caller = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift())
        [before[next[0]]] = await Promise.allSettled([create(next[1])]);
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    await killed;
    expect(before.some(({ status }) => status === 'rejected')).toBe(true);
    const killedAt = performance.now();
    const next = await open({ databaseUrl: url, folder });
    const recoveryMs = performance.now() - killedAt;
    const answers: string[] = [];
    for (const [at, input] of inputs.entries()) {
      const answer = await apiOf(next, token).created(input);
      answers.push(answer.id);
      const first = before[at];
      if (first?.status === 'fulfilled') expect(answer).toEqual(first.value);
    }
    const acknowledged = before.flatMap((one) => (one.status === 'fulfilled' ? [one.value.id] : []));
    const count = await apiOf(next, token).count(environmentId);
    const { lost, doubled } = comparedWith(acknowledged, answers);
    const fault = `gateway on ${kind} killed while it saves`;
    recordFault({ fault, times: 1, lost, doubled: doubled + count - inputs.length, recoveryMs });
    expect(count).toBe(inputs.length);
    await next.close();
    await remove();
  });
});

/** A gateway in a process of its own, which a test kills. */
async function startProcess(
  databaseUrl: string,
  folder: string,
): Promise<{ child: ChildProcess; client: GatewayClient; token: string }> {
  const script = join(import.meta.dirname, '../support/gateway-process.ts');
  const child = spawn(process.execPath, [script, databaseUrl, folder, childProgram().childUrl], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url, token } = JSON.parse(line) as { url: string; token: string };
  return { child, client: clientOf(url, token), token };
}
