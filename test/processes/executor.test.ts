import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cpuTimeOf } from '../../src/executor/cpu-time.ts';
import { type CheckEvent, Executor, type ExecutorOptions, type TestJob } from '../../src/executor/executor.ts';
import { HEARTBEAT_MS } from '../../src/executor/messages.ts';
import { testProgram } from '../support/child-program.ts';
import { eventually } from '../support/eventually.ts';
import { ownTime } from '../support/own-time.ts';

const never = new AbortController().signal;
const atEnd: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of atEnd.splice(0).reverse()) await end();
});

interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly executorPid?: number;
  readonly line?: string;
  readonly detail?: string;
  readonly reason?: string;
}

function start(options: Partial<ExecutorOptions> = {}): { executor: Executor; log: LogLine[]; pids: () => number[] } {
  const log: LogLine[] = [];
  const write = (level: string) => (details: object, message: string) => log.push({ ...details, level, message });
  const logger = { info: write('info'), warn: write('warn'), error: write('error') };
  const policy = { allow: ['127.0.0.1/32'], forbidden: [] };
  const executor = new Executor({ policy, size: 1, testing: testProgram(), logger, ...options });
  atEnd.push(() => executor.close());
  const pids = () =>
    log.filter(({ message }) => message === 'An executor has started.').map(({ executorPid }) => executorPid ?? 0);
  return { executor, log, pids };
}

function job(
  type: string,
  details: { timeoutMs?: number; port?: number; host?: string; password?: string } = {},
): TestJob {
  const { timeoutMs = 60_000, port = 1, host = '127.0.0.1', password } = details;
  const checks = ['first', 'second', 'third'].map((step) => `${type.toLowerCase()}/${step}/step`);
  const secrets = password === undefined ? [] : [password];
  return {
    testId: 'a-test',
    environmentId: 'an-environment',
    type,
    config: { host, port, password },
    secrets,
    checks,
    timeoutMs,
  };
}

function told(): { events: CheckEvent[]; onEvent: (event: CheckEvent) => void; summary: () => string[] } {
  const events: CheckEvent[] = [];
  const summary = () =>
    events.map((event) => {
      if (event.kind === 'restarted') return event.kind;
      return `${event.name.split('/')[1]} ${event.kind === 'started' ? 'RUNNING' : event.status}`;
    });
  return { events, onEvent: (event) => events.push(event), summary };
}

/**
 * A peer that says one word to each connection: the first word to the first one. The last word is for all that follow.
 */
async function peer(...words: (string | null)[]): Promise<{ port: number; sockets: Socket[]; server: Server }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    const word = words[Math.min(sockets.length, words.length) - 1];
    if (word) socket.write(word);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  atEnd.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets, server };
}

/**
 * Starts the child; how long, in milliseconds, a test surely needs for its first steps on this machine, as busy as it
 * is.
 */
async function warmUp(executor: Executor): Promise<number> {
  await executor.run(job('PASSES'), told().onEvent, never);
  const start = performance.now();
  await executor.run(job('PASSES'), told().onEvent, never);
  return 500 + 20 * (performance.now() - start);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a test', () => {
  it('tells each check as it starts and ends, and passes', async () => {
    const { executor } = start();
    const { events, onEvent, summary } = told();
    const running = executor.run(job('PASSES'), onEvent, never);
    expect(executor.stats()).toEqual({ children: 1, running: 1 });
    expect(await running).toEqual({ status: 'PASSED', failure: null, skipped: [] });
    expect(summary()).toEqual([
      'first RUNNING',
      'first PASSED',
      'second RUNNING',
      'second PASSED',
      'third RUNNING',
      'third PASSED',
    ]);
    expect(events[1]).toMatchObject({
      name: 'passes/first/step',
      evidence: [{ name: 'step', value: '1' }],
      failure: null,
    });
    expect(executor.stats()).toEqual({ children: 1, running: 0 });
  });

  it('ends with the first failure', async () => {
    const { executor } = start();
    const { onEvent, summary } = told();
    const outcome = await executor.run(job('FAILS'), onEvent, never);
    expect(outcome).toMatchObject({
      status: 'FAILED',
      failure: { code: 'PASSWORD_REFUSED', configPath: 'password' },
      skipped: ['fails/third/step'],
    });
    expect(summary()).toEqual(['first RUNNING', 'first PASSED', 'second RUNNING', 'second FAILED']);
  });

  it('keeps a driver that prints without end from filling the log', async () => {
    const { executor, log } = start();
    await executor.run(job('CHATTERS'), () => undefined, never);
    await expect.poll(() => log.map(({ line }) => line)).toContain('More lines of this minute are left out.');
    expect(log.filter(({ line }) => line === 'chatter')).toHaveLength(200);
  });

  it('shows no secret in its evidence, in the log or in what a driver prints', async () => {
    const { executor, log } = start();
    const { events, onEvent } = told();
    const password = 'hunter2/hunter2';
    await executor.run(job('LEAKS', { password }), onEvent, never);
    await executor.run(job('ECHOES', { password }), onEvent, never);
    await executor.run(job('PRINTS', { password }), onEvent, never);
    await expect.poll(() => log.map(({ line }) => line)).toContain('signed in');
    expect(events.at(3)).toMatchObject({
      evidence: [
        { name: 'banner', value: '[redacted]' },
        { name: 'port', value: '5432' },
      ],
    });
    expect(log.some(({ detail }) => detail?.includes('[redacted]'))).toBe(true);
    expect(JSON.stringify({ log, events })).not.toContain(password);
  });

  it('of a type that nobody knows is an internal failure', async () => {
    const { executor, log } = start();
    const outcome = await executor.run(job('UNHEARD_OF'), told().onEvent, never);
    expect(outcome).toMatchObject({ status: 'FAILED', failure: { code: 'INTERNAL' } });
    expect(log.find(({ level }) => level === 'error')?.detail).toContain('UNHEARD_OF');
  });

  it('goes on when the caller cannot take an event', async () => {
    const { executor, log } = start();
    const outcome = await executor.run(
      job('PASSES'),
      () => {
        throw new Error('no room');
      },
      never,
    );
    expect(outcome.status).toBe('PASSED');
    expect(log.filter(({ level }) => level === 'error')).toHaveLength(6);
  });
});

describe('the deadline', () => {
  it('ends a test whose driver ignores it', async () => {
    const { executor, pids } = start();
    const timeoutMs = await warmUp(executor);
    const { events, onEvent } = told();
    const begun = ownTime();
    const started = performance.now();
    const outcome = await executor.run(job('HANGS', { timeoutMs }), onEvent, never);
    expect(performance.now() - started).toBeGreaterThanOrEqual(timeoutMs - 1);
    expect(ownTime() - begun).toBeLessThan(timeoutMs + 2_000);
    expect(outcome).toMatchObject({ status: 'FAILED', failure: { code: 'TIMEOUT' }, skipped: ['hangs/third/step'] });
    expect(events.at(-1)).toMatchObject({ status: 'FAILED', failure: { code: 'TIMEOUT' } });
    // the child ended it itself, so nothing had to be killed
    expect((await executor.run(job('PASSES'), told().onEvent, never)).status).toBe('PASSED');
    expect(pids()).toHaveLength(1);
  });

  it('ends a test whose driver holds the event loop, and its child', async () => {
    const { executor, log } = start();
    const timeoutMs = await warmUp(executor);
    const { onEvent, summary } = told();
    const begun = ownTime();
    const outcome = await executor.run(job('BLOCKS', { timeoutMs }), onEvent, never);
    expect(ownTime() - begun).toBeLessThan(timeoutMs + 2_000);
    expect(outcome).toMatchObject({ status: 'FAILED', failure: { code: 'TIMEOUT' } });
    expect(summary().at(-1)).toBe('second FAILED');
    await expect.poll(() => log.some(({ reason }) => reason === 'blocked')).toBe(true);
    expect((await executor.run(job('PASSES'), told().onEvent, never)).status).toBe('PASSED');
  });

  it('that has passed already starts nothing', async () => {
    const { executor } = start();
    const { events, onEvent } = told();
    const outcome = await executor.run(job('PASSES', { timeoutMs: 0 }), onEvent, never);
    expect(outcome).toMatchObject({ status: 'FAILED', failure: { code: 'NOT_BEGUN', cause: 'TIMEOUT' } });
    expect(outcome.skipped).toHaveLength(3);
    expect(events).toEqual([]);
    expect(executor.stats().children).toBe(0);
  });

  it('leaves a late rejection without effect', async () => {
    const { executor, pids } = start();
    const timeoutMs = await warmUp(executor);
    const outcome = await executor.run(job('REJECTS_LATE', { timeoutMs }), told().onEvent, never);
    expect(outcome.failure?.code).toBe('TIMEOUT');
    await delay(300);
    expect((await executor.run(job('PASSES'), told().onEvent, never)).status).toBe('PASSED');
    expect(pids()).toHaveLength(1);
  });
});

describe('cancelling', () => {
  it('closes the sockets and ends the test', async () => {
    const { executor } = start();
    const { port, sockets, server } = await peer(null);
    const cancel = new AbortController();
    const { onEvent, summary } = told();
    const running = executor.run(job('OBEYS', { port }), onEvent, cancel.signal);
    if (sockets.length === 0) await once(server, 'connection');
    const closed = once(sockets[0] as Socket, 'close');
    cancel.abort('cancelled');
    expect(await running).toMatchObject({
      status: 'CANCELLED',
      failure: { code: 'CANCELLED' },
      skipped: ['obeys/third/step'],
    });
    await closed;
    expect(summary().at(-1)).toBe('second FAILED');
  });

  it('does not wait for a child that is blocked', async () => {
    const { executor } = start();
    const cancel = new AbortController();
    const { onEvent, summary } = told();
    const running = executor.run(job('BLOCKS'), onEvent, cancel.signal);
    await expect.poll(() => summary()).toContain('second RUNNING');
    cancel.abort();
    expect(await running).toMatchObject({ status: 'CANCELLED', failure: { code: 'CANCELLED' } });
    expect(executor.stats().running).toBe(0);
  });

  it('before the start starts nothing', async () => {
    const { executor } = start();
    const outcome = await executor.run(job('PASSES'), told().onEvent, AbortSignal.abort());
    expect(outcome.status).toBe('CANCELLED');
    expect(executor.stats().children).toBe(0);
  });
});

describe('a child that is lost', () => {
  it('to a blocked loop: the one that blocks fails, its neighbour runs again and passes', async () => {
    const { executor, pids } = start();
    const { port, server } = await peer(null, 'pass');
    const neighbour = told();
    const passing = executor.run(job('OBEYS', { port }), neighbour.onEvent, never);
    await once(server, 'connection');
    const blocking = executor.run(job('BLOCKS'), told().onEvent, never);
    expect(await blocking).toMatchObject({ status: 'FAILED', failure: { code: 'TIMEOUT' } });
    expect((await passing).status).toBe('PASSED');
    expect(neighbour.summary()).toEqual([
      'first RUNNING',
      'first PASSED',
      'second RUNNING',
      'restarted',
      'first RUNNING',
      'first PASSED',
      'second RUNNING',
      'second PASSED',
      'third RUNNING',
      'third PASSED',
    ]);
    expect(pids()).toHaveLength(2);
  });

  it('to what a peer sent: the test of that peer fails, not the one that started last', async () => {
    const { executor } = start();
    const hostile = await peer(null);
    const blocked = told();
    const blocking = executor.run(job('OBEYS', { port: hostile.port }), blocked.onEvent, never);
    await once(hostile.server, 'connection');
    const good = await peer(null, 'pass');
    const passing = executor.run(job('OBEYS', { port: good.port }), told().onEvent, never);
    await once(good.server, 'connection');
    hostile.sockets[0]?.write('block');
    expect((await blocking).failure?.code).toBe('TIMEOUT');
    expect((await passing).status).toBe('PASSED');
    expect(blocked.summary()).not.toContain('restarted');
  });

  it.each(['exit', 'throw as nobody'])(
    'to a crash (%s): the suspect runs again alone and fails, its neighbour passes',
    async (word) => {
      const { executor, log, pids } = start();
      const good = await peer(null, 'pass');
      const passing = executor.run(job('OBEYS', { port: good.port }), told().onEvent, never);
      await once(good.server, 'connection');
      const hostile = await peer(word);
      const crashed = told();
      const crashing = executor.run(job('OBEYS', { port: hostile.port }), crashed.onEvent, never);
      expect(await crashing).toMatchObject({
        status: 'FAILED',
        failure: { code: 'INTERNAL' },
        skipped: ['obeys/third/step'],
      });
      expect((await passing).status).toBe('PASSED');
      expect(crashed.summary().filter((each) => each === 'restarted')).toHaveLength(1);
      expect(crashed.summary().at(-1)).toBe('second FAILED');
      expect(hostile.sockets).toHaveLength(2);
      expect(pids()).toHaveLength(3);
      if (word === 'throw as nobody') expect(log.some(({ detail }) => detail?.includes('thrown by nobody'))).toBe(true);
    },
  );

  it('twice, by others: what was innocent both times runs a third time, alone, and passes', async () => {
    const { executor, pids } = start();
    const good = await peer(null, null, 'pass');
    const passing = executor.run(job('OBEYS', { port: good.port }), told().onEvent, never);
    for (const round of [1, 2]) {
      await expect.poll(() => good.sockets).toHaveLength(round);
      const hostile = await peer('exit');
      const crashing = executor.run(job('WRITES', { port: hostile.port }), told().onEvent, never);
      expect((await crashing).failure?.code).toBe('INTERRUPTED');
    }
    expect((await passing).status).toBe('PASSED');
    expect(pids()).toHaveLength(3);
  });

  it('to the machine: what it held runs again', async () => {
    const { executor, pids } = start();
    const { port, server } = await peer(null, 'pass');
    const { onEvent, summary } = told();
    const running = executor.run(job('OBEYS', { port }), onEvent, never);
    await once(server, 'connection');
    process.kill(pids()[0] ?? 0, 'SIGKILL');
    expect((await running).status).toBe('PASSED');
    expect(summary()).toContain('restarted');
  });

  it('is not forgiven twice', async () => {
    const { executor, pids } = start();
    const { port, server } = await peer(null);
    const running = executor.run(job('OBEYS', { port }), told().onEvent, never);
    await once(server, 'connection');
    process.kill(pids()[0] ?? 0, 'SIGKILL');
    await once(server, 'connection');
    process.kill(pids()[1] ?? 0, 'SIGKILL');
    expect(await running).toMatchObject({ status: 'FAILED', failure: { code: 'INTERNAL' } });
  });

  it('in the middle of a check that writes: it does not run again', async () => {
    const { executor, pids } = start();
    const { port, server, sockets } = await peer(null);
    const { onEvent, summary } = told();
    const running = executor.run(job('WRITES', { port }), onEvent, never);
    await once(server, 'connection');
    process.kill(pids()[0] ?? 0, 'SIGKILL');
    expect(await running).toMatchObject({ status: 'FAILED', failure: { code: 'INTERRUPTED' } });
    expect(summary().at(-1)).toBe('second FAILED');
    expect(sockets).toHaveLength(1);
  });

  it('before it was ready, because of its program, ends the test', async () => {
    const { executor, log } = start({
      testing: { listUrl: new URL('../support/no-such-module.ts', import.meta.url).href },
    });
    const outcome = await executor.run(job('PASSES'), told().onEvent, never);
    expect(outcome).toMatchObject({ status: 'FAILED', failure: { code: 'INTERNAL' } });
    expect(log.some(({ detail }) => detail?.includes('no-such-module'))).toBe(true);
  });
});

describe('what is thrown where nobody catches it', () => {
  it('ends the test that it belongs to, once, and no other', async () => {
    const { executor, log, pids } = start();
    const good = await peer(null);
    const neighbour = told();
    const passing = executor.run(job('OBEYS', { port: good.port }), neighbour.onEvent, never);
    await once(good.server, 'connection');
    const hostile = await peer('throw');
    const throwing = told();
    expect(await executor.run(job('OBEYS', { port: hostile.port }), throwing.onEvent, never)).toMatchObject({
      status: 'FAILED',
      failure: { code: 'INTERNAL' },
      skipped: ['obeys/third/step'],
    });
    expect(throwing.summary()).toEqual(['first RUNNING', 'first PASSED', 'second RUNNING', 'second FAILED']);
    good.sockets[0]?.write('pass');
    expect((await passing).status).toBe('PASSED');
    expect(neighbour.summary()).not.toContain('restarted');
    expect(pids()).toHaveLength(1);
    expect(log.filter(({ level }) => level === 'error').map(({ detail }) => detail)).toEqual([
      expect.stringContaining('thrown into the void'),
    ]);
  });
});

describe('a child that is well', () => {
  it('is not taken for a lost one when the gateway itself was held up', async () => {
    const { executor, pids } = start();
    const { port, server, sockets } = await peer(null);
    const running = executor.run(job('OBEYS', { port }), told().onEvent, never);
    await once(server, 'connection');
    const end = performance.now() + 3_500;
    while (performance.now() < end);
    await delay(600);
    sockets[0]?.write('pass');
    expect((await running).status).toBe('PASSED');
    expect(pids()).toHaveLength(1);
  });

  it('does not outlive the gateway', async () => {
    const { port, server, sockets } = await peer(null);
    const host = new URL('../support/executor-host.ts', import.meta.url).pathname;
    const gateway = spawn(process.execPath, [host, JSON.stringify(job('OBEYS', { port }))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output: string[] = [];
    gateway.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    await once(server, 'connection');
    const pid = Number(output.join('').trim());
    expect(isAlive(pid)).toBe(true);
    const closed = once(sockets[0] as Socket, 'close');
    gateway.kill('SIGKILL');
    await closed;
    await expect.poll(() => isAlive(pid)).toBe(false);
  });
});

describe('what a child can see', () => {
  // as it is started outside of this suite
  const fromSource = { testing: { listUrl: new URL('../support/test-connectors.ts', import.meta.url).href } };

  it('is an environment of constants', async () => {
    vi.stubEnv('PGPASSWORD', 'of the gateway');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'of the gateway');
    vi.stubEnv('NODE_EXTRA_CA_CERTS', '/etc/ssl/certs/ca-certificates.crt');
    vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:1');
    atEnd.push(() => vi.unstubAllEnvs());
    const { executor } = start(fromSource);
    const { events, onEvent } = told();
    await executor.run(job('SHOWS_ENVIRONMENT'), onEvent, never);
    expect(events[3]).toMatchObject({
      evidence: [
        { name: 'names', value: 'HOME LANG TZ UV_THREADPOOL_SIZE' },
        { name: 'home', value: '/nonexistent' },
        { name: 'arguments', value: '--permission' },
      ],
    });
  });

  it.each(['/etc/passwd', '/proc/self/environ', new URL('../../.gitignore', import.meta.url).pathname])(
    'is not the file system: %s',
    async (host) => {
      const { executor, log } = start(fromSource);
      const outcome = await executor.run(job('READS', { host }), told().onEvent, never);
      expect(outcome.failure?.code).toBe('INTERNAL');
      expect(log.some(({ detail }) => detail?.includes('ERR_ACCESS_DENIED'))).toBe(true);
    },
  );

  it('is its own program', async () => {
    const { executor } = start(fromSource);
    const host = new URL('../../package.json', import.meta.url).pathname;
    expect((await executor.run(job('READS', { host }), told().onEvent, never)).status).toBe('PASSED');
  });
});

describe('tests of several environments', () => {
  const inEnvironment = async (executor: Executor, environmentId: string): Promise<string> => {
    const { events, onEvent } = told();
    const outcome = await executor.run({ ...job('PASSES'), environmentId }, onEvent, never);
    expect(outcome.status).toBe('PASSED');
    const second = events[3];
    return second?.kind === 'ended' ? (second.evidence[0]?.value ?? '') : '';
  };

  it('share a child', async () => {
    const { executor } = start();
    const pids = await Promise.all(['a', 'b', 'c'].map((each) => inEnvironment(executor, each)));
    expect(new Set(pids).size).toBe(1);
  });

  it('never share one when they are kept apart, and wait for a child rather than starve', async () => {
    const { executor, pids } = start({ isolation: 'environment' });
    const environments = Array.from({ length: 10 }, (_, index) => `environment ${index % 9}`);
    const ran = await Promise.all(environments.map((each) => inEnvironment(executor, each)));
    const served = Map.groupBy(ran, (_, index) => environments[index]);
    const owners = [...served].flatMap(([environment, own]) => [...new Set(own)].map((pid) => `${pid} ${environment}`));
    expect(owners).toHaveLength(new Set(ran).size);
    expect(executor.stats().children).toBeLessThanOrEqual(9);
    const before = pids().length;
    expect(await executor.judgeTargets([{ host: 'name.invalid', port: 1, path: 'a' }], 10_000)).toHaveLength(1);
    expect(pids()).toHaveLength(before + 1);
  });
});

describe('judging targets', () => {
  it('tells allowed, not allowed and unknown hosts apart', async () => {
    const { executor } = start({ policy: { allow: ['127.0.0.1:5432'], forbidden: [] } });
    const verdicts = await executor.judgeTargets(
      [
        { host: '127.0.0.1', port: 5432, path: 'a' },
        { host: '127.0.0.1', port: 5433, path: 'b' },
        { host: '169.254.169.254', port: 80, path: 'c' },
        { host: 'name.invalid', port: 5432, path: 'd' },
      ],
      10_000,
    );
    expect(verdicts).toEqual([
      { path: 'a', verdict: 'allowed' },
      { path: 'b', verdict: 'not-allowed' },
      { path: 'c', verdict: 'not-allowed' },
      { path: 'd', verdict: 'unresolved' },
    ]);
  });

  it('starts nothing for no targets', async () => {
    const { executor } = start();
    expect(await executor.judgeTargets([], 1_000)).toEqual([]);
    expect(executor.stats().children).toBe(0);
  });

  it('is answered although its child is lost', async () => {
    const { executor, pids } = start();
    const judging = executor.judgeTargets([{ host: 'name.invalid', port: 1, path: 'a' }], 10_000);
    process.kill(pids()[0] ?? 0, 'SIGKILL');
    expect(await judging).toEqual([{ path: 'a', verdict: 'unresolved' }]);
    expect(pids()).toHaveLength(2);
  });

  it('needs no child for what is no name', async () => {
    const { executor } = start({ policy: { allow: ['127.0.0.1'], forbidden: [{ host: '127.0.0.1', port: 4000 }] } });
    const targets = [
      ['127.0.0.1', 5432, 'allowed'],
      ['127.0.0.1', 4000, 'not-allowed'],
      ['::1', 5432, 'not-allowed'],
      ['93.184.215.14', 443, 'allowed'],
      ['169.254.169.254', 80, 'not-allowed'],
      ['::ffff:a9fe:a9fe', 80, 'not-allowed'],
      ['metadata.google.internal', 80, 'not-allowed'],
    ] as const;
    const judged = targets.map(([host, port]) => ({ host, port, path: host }));
    const verdicts = await executor.judgeTargets(judged, 10_000);
    expect(verdicts).toEqual(targets.map(([path, , verdict]) => ({ path, verdict })));
    const tunnelled = judged.map((each) => ({ ...each, tunnelled: true }));
    const behind = (await executor.judgeTargets(tunnelled, 10_000)).map(({ verdict }) => verdict);
    const never = ['not-allowed', 'not-allowed', 'not-allowed'];
    expect(behind).toEqual(['allowed', 'allowed', 'allowed', 'allowed', ...never]);
    expect(executor.stats().children).toBe(0);
  });

  it('leaves a name unjudged when its child gives no verdict in time', async () => {
    const { executor, pids } = start();
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const judging = executor.judgeTargets(
      [
        { host: 'name.invalid', port: 5432, path: 'a' },
        { host: '169.254.169.254', port: 80, path: 'b' },
      ],
      5_000,
    );
    process.kill(pids()[0] ?? 0, 'SIGSTOP');
    vi.advanceTimersByTime(15_000);
    vi.useRealTimers();
    expect(await judging).toEqual([
      { path: 'a', verdict: 'unjudged' },
      { path: 'b', verdict: 'not-allowed' },
    ]);
  });
});

describe('a place that is forbidden later', () => {
  it('is reached by no child that runs already', async () => {
    const { executor, pids } = start();
    const { port, sockets } = await peer('pass');
    expect((await executor.run(job('OBEYS', { port }), told().onEvent, never)).status).toBe('PASSED');
    executor.forbid({ host: '0.0.0.0', port });
    const { failure } = await executor.run(job('OBEYS', { port }), told().onEvent, never);
    expect(failure?.code).toBe('ADDRESS_NOT_ALLOWED');
    expect(await executor.judgeTargets([{ host: '127.0.0.1', port, path: 'a' }], 10_000)).toEqual([
      { path: 'a', verdict: 'not-allowed' },
    ]);
    expect(sockets).toHaveLength(1);
    expect(pids()).toHaveLength(1);
  });
});

describe('children', () => {
  it('end when they have nothing to do', async () => {
    const { executor, pids } = start({ idleMs: 100 });
    await executor.run(job('PASSES'), told().onEvent, never);
    expect(executor.stats().children).toBe(1);
    await expect.poll(() => executor.stats().children).toBe(0);
    expect(isAlive(pids()[0] ?? 0)).toBe(false);
    expect((await executor.run(job('PASSES'), told().onEvent, never)).status).toBe('PASSED');
    expect(pids()).toHaveLength(2);
  });

  it('end with the executor, what runs is interrupted, and nothing starts any more', async () => {
    const { executor, pids } = start();
    const { port, server } = await peer(null);
    const { onEvent, summary } = told();
    const running = executor.run(job('OBEYS', { port }), onEvent, never);
    await once(server, 'connection');
    const blocking = executor.run(job('BLOCKS'), told().onEvent, never);
    await Promise.all([executor.close(), executor.close()]);
    expect(await running).toMatchObject({ status: 'FAILED', failure: { code: 'INTERRUPTED' } });
    expect(summary().at(-1)).toBe('second FAILED');
    expect((await blocking).failure?.code).toBe('INTERRUPTED');
    expect(pids().map(isAlive)).toEqual([false]);
    expect(executor.stats()).toEqual({ children: 0, running: 0 });
    expect((await executor.run(job('PASSES'), told().onEvent, never)).failure?.code).toBe('INTERRUPTED');
    expect(await executor.judgeTargets([{ host: 'name.invalid', port: 1, path: 'a' }], 1_000)).toEqual([
      { path: 'a', verdict: 'unjudged' },
    ]);
    expect(executor.stats().children).toBe(0);
  });

  it('are as many as asked for, with the tests spread over them', async () => {
    const { executor, pids } = start({ size: 2 });
    const { port, sockets } = await peer(null);
    const running = Array.from({ length: 80 }, () => executor.run(job('OBEYS', { port }), told().onEvent, never));
    await expect.poll(() => sockets).toHaveLength(80);
    expect(executor.stats()).toEqual({ children: 2, running: 80 });
    for (const socket of sockets) socket.write('pass');
    expect((await Promise.all(running)).every(({ status }) => status === 'PASSED')).toBe(true);
    expect(pids()).toHaveLength(2);
  });
});

/** Linux alone tells how much time a process gets. */
describe.skipIf(cpuTimeOf(process.pid) === undefined)('the time that a child gets', () => {
  /** An executor of which some tests wait for the peer, and are looked at for a while. */
  async function watched(tests: number, word?: string) {
    const { port, sockets } = await peer(null);
    const { executor } = start({ size: 2 });
    const begin = (count: number) => {
      for (let test = 0; test < count; test += 1) executor.run(job('OBEYS', { port }), told().onEvent, never);
    };
    begin(tests);
    await expect.poll(() => sockets).toHaveLength(tests);
    if (word !== undefined) sockets[0]?.write(word);
    // what time a child got is looked at with each beat, of which a busy machine may miss some
    await delay(4 * HEARTBEAT_MS);
    const childrenWith = async (more: number) => {
      begin(more);
      await expect.poll(() => sockets).toHaveLength(tests + more);
      const { children } = executor.stats();
      await executor.close();
      return children;
    };
    return { childrenWith };
  }

  it('has whatever comes go to one that waits, however much waits in it', async () => {
    await eventually(async () => (await (await watched(1)).childrenWith(80)) === 1);
  });

  it('has another one started beside one that takes all of it', async () => {
    await eventually(async () => (await (await watched(32, 'work')).childrenWith(1)) === 2);
  });

  it('is not asked for while it has nothing to do', async () => {
    const asked = vi.spyOn(fs, 'readFileSync');
    syncBuiltinESMExports();
    atEnd.push(() => {
      asked.mockRestore();
      syncBuiltinESMExports();
    });
    const { executor, pids } = start({ idleMs: 60_000 });
    const { port, sockets } = await peer(null);
    const askedFor = () => asked.mock.calls.filter(([path]) => path === `/proc/${pids()[0]}/stat`).length;
    const running = executor.run(job('OBEYS', { port }), told().onEvent, never);
    await expect.poll(askedFor).toBeGreaterThan(2);
    sockets[0]?.write('pass');
    await running;
    const before = askedFor();
    await delay(4 * HEARTBEAT_MS);
    expect(askedFor()).toBe(before);
    executor.run(job('OBEYS', { port }), told().onEvent, never);
    await expect.poll(askedFor).toBeGreaterThan(before);
  });
});

describe('what a test has opened at the other side', () => {
  /** Hears what is said, in the order in which it comes. */
  const listen = async () => {
    const heard: string[] = [];
    const { port, server, sockets } = await peer(null);
    server.on('connection', (socket: Socket) => socket.on('data', (chunk) => heard.push(String(chunk))));
    return { port, heard, sockets };
  };

  it('is ended after the answer to whoever waits, in a child that goes on holding the test', async () => {
    const { executor, log } = start();
    const { port, heard, sockets } = await listen();
    const cancel = new AbortController();
    const outcome = executor.run(job('OPENS_SESSION', { port }), () => undefined, cancel.signal);
    await expect.poll(() => heard).toEqual(['hello']);
    cancel.abort();
    expect((await outcome).status).toBe('CANCELLED');
    await expect.poll(() => heard).toEqual(['hello', 'goodbye']);
    sockets[1]?.write('bye');
    expect(await executor.run(job('PASSES'), () => undefined, never)).toMatchObject({ status: 'PASSED' });
    expect(log.flatMap(({ reason }) => reason ?? [])).toEqual([]);
  });

  it('is ended before the child when the gateway stops', async () => {
    const { executor } = start();
    const { port, heard } = await listen();
    const outcome = executor.run(job('OPENS_SESSION', { port }), () => undefined, never);
    await expect.poll(() => heard).toEqual(['hello']);
    await executor.close();
    expect((await outcome).failure?.code).toBe('INTERRUPTED');
    expect(heard).toEqual(['hello', 'goodbye']);
  });
});
