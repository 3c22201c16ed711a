import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Executor, type TestJob } from '../../src/executor/executor.ts';
import { testProgram } from '../support/child-program.ts';
import type { Forgery } from '../support/test-connectors.ts';

const never = new AbortController().signal;
const atEnd: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of atEnd.splice(0).reverse()) await end();
});

interface LogLine {
  readonly message: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly line?: string;
}

function start(isolation?: 'environment'): { executor: Executor; log: LogLine[] } {
  const log: LogLine[] = [];
  const write = (details: object, message: string) => log.push({ ...details, message });
  const executor = new Executor({
    policy: { allow: ['127.0.0.1/32'], forbidden: [] },
    size: 1,
    isolation,
    testing: testProgram(),
    logger: { info: write, warn: write, error: write },
  });
  atEnd.push(() => executor.close());
  return { executor, log };
}

function job(type: string, port: number): TestJob {
  const checks = ['first', 'second', 'third'].map((step) => `${type.toLowerCase()}/${step}/step`);
  const config = { host: '127.0.0.1', port };
  const timeoutMs = 60_000;
  return { testId: 'a-test', environmentId: 'an-environment', type, config, secrets: [], checks, timeoutMs };
}

/** A peer whose connections the test talks to itself. */
async function listen(): Promise<{ port: number; connected(count: number): Promise<Socket> }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  atEnd.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    async connected(count) {
      await expect.poll(() => sockets.length).toBeGreaterThanOrEqual(count);
      return sockets[count - 1] as Socket;
    },
  };
}

/** Waits for a hijacked driver to tell its run, and has it send the forgery. */
async function forge(socket: Socket, forgery: Forgery): Promise<void> {
  await once(socket, 'data');
  socket.write(JSON.stringify(forgery));
}

const line = (message: unknown) => `${JSON.stringify(message)}\n`;

describe('a message that no child of ours sends', () => {
  it.each<[string, Forgery]>([
    ['null', { text: 'null\n' }],
    ['no JSON', { text: 'hello\n' }],
    ['one of Node’s own', { text: line({ cmd: 'NODE_HANDLE_ACK' }) }],
    ['an outcome without a body', { text: line({ type: 'outcome', run: 'RUN' }) }],
    ['an unknown log level', { text: line({ type: 'log', level: 'fatal', run: null, text: 'x' }) }],
    ['a passed outcome before the end', { text: line({ type: 'outcome', run: 'RUN', failure: null }) }],
    ['a release before the outcome', { text: line({ type: 'released', run: 'RUN' }) }],
    ['a line that is too long', { text: 'FILL', fill: 9 * 1024 * 1024 }],
    ['far too many messages', { text: line({ type: 'alive' }), times: 500_000 }],
  ])('%s: ends its child alone; the guilty test fails, its neighbour passes', async (_, forgery) => {
    const { executor, log } = start();
    const good = await listen();
    const passing = executor.run(job('OBEYS', good.port), () => undefined, never);
    await good.connected(1);
    const hostile = await listen();
    const forging = executor.run(job('FORGES', hostile.port), () => undefined, never);
    await forge(await hostile.connected(1), forgery);
    (await good.connected(2)).write('pass');
    expect((await passing).status).toBe('PASSED');
    await forge(await hostile.connected(2), forgery);
    expect(await forging).toMatchObject({ status: 'FAILED', failure: { code: 'INTERNAL' } });
    expect(log.flatMap(({ reason }) => reason ?? [])).toEqual(['misbehaved', 'misbehaved']);
  });

  it.each([
    ['an outcome', { type: 'outcome', failure: null }],
    ['a release', { type: 'released' }],
    ['an event', { type: 'event', event: { kind: 'started', name: 'obeys/first/step' }, writes: false }],
    ['a catalog', { type: 'catalog', entries: [] }],
    ['an activity', { type: 'active' }],
    ['a log line', { type: 'log', level: 'info', text: 'x' }],
  ])('%s for a test of another child is such a message, though its number is right', async (_, message) => {
    const { executor, log } = start('environment');
    const victim = await listen();
    const events: string[] = [];
    const ending = new AbortController();
    const attacked = executor.run(job('FORGES', victim.port), (event) => events.push(event.kind), ending.signal);
    const [run] = await once(await victim.connected(1), 'data');
    const hostile = await listen();
    const hijacked = { ...job('FORGES', hostile.port), environmentId: 'another' };
    const forging = executor.run(hijacked, () => undefined, ending.signal);
    await forge(await hostile.connected(1), { text: line({ ...message, run: String(run) }) });
    await expect.poll(() => log.flatMap(({ reason }) => reason ?? [])).toEqual(['misbehaved']);
    expect(events).toEqual(['started', 'ended', 'started']);
    expect(executor.stats().running).toBe(2);
    ending.abort();
    expect([(await attacked).status, (await forging).status]).toEqual(['CANCELLED', 'CANCELLED']);
  });
});

describe('what a child logs', () => {
  it('is bounded in number and in size', async () => {
    const { executor, log } = start();
    const hostile = await listen();
    const cancel = new AbortController();
    const outcome = executor.run(job('FORGES', hostile.port), () => undefined, cancel.signal);
    await forge(await hostile.connected(1), {
      text: line({ type: 'log', level: 'error', run: 'RUN', text: 'chatter' }),
      times: 15_000,
    });
    await expect.poll(() => log.some(({ message }) => message.includes('logs too much'))).toBe(true);
    cancel.abort();
    await outcome;
    expect(log.filter(({ detail }) => detail === 'chatter')).toHaveLength(1_000);
    expect(log.filter(({ message }) => message.includes('logs too much'))).toHaveLength(1);
  });
});
