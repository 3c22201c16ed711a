import { beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import {
  type CheckProgress,
  planChecks,
  type RunChecksOptions,
  runChecks,
} from '../../../../src/connectors/kit/checks/run-checks.ts';
import type {
  CheckContext,
  CheckOutcome,
  Connector,
  Dialer,
} from '../../../../src/connectors/kit/contract/connector.ts';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';

type Run = (context: CheckContext<Record<string, unknown>, unknown>) => Promise<CheckOutcome>;

const config = z.object({});
const passes: Run = () => Promise.resolve({ evidence: {} });
const fails =
  (error: unknown): Run =>
  () =>
    Promise.reject(error);
const dialer: Dialer = {
  resolve: () => Promise.reject(new Error('no network here')),
  resolveService: () => Promise.reject(new Error('no network here')),
  openTunnel: () => Promise.reject(new Error('no network here')),
  dial: () => Promise.reject(new Error('no network here')),
  secure: () => Promise.reject(new Error('no network here')),
  hold: () => () => undefined,
  afterwards: () => dialer,
};

let events: CheckProgress[];
let log: [string, string][];

beforeEach(() => {
  events = [];
  log = [];
});

function connector(runs: Record<string, Run>, more: Partial<Connector> = {}): Connector {
  return {
    type: 'MY_TYPE',
    title: 'Mine',
    description: '',
    category: 'FILE',
    provenAgainst: 'nothing',
    leastRights: 'None.',
    config,
    example: {},
    targets: () => [{ host: 'db.example', port: 1, tls: null, hostPath: 'host', portPath: 'port' }],
    checks: Object.entries(runs).map(([name, run]) => ({ name, title: name, description: name, run })),
    createState: () => ({}),
    ...more,
  };
}

function run(tested: Connector, more: Partial<RunChecksOptions> = {}) {
  return runChecks({
    connector: tested,
    config: {},
    checks: tested.checks.map(({ name }) => `my_type/${name}`),
    dialer,
    signal: new AbortController().signal,
    secrets: [],
    onEvent: (event) => events.push(event),
    log: (level, text) => log.push([level, text]),
    ...more,
  });
}

function lastEvent() {
  return events.at(-1) as Extract<CheckProgress, { evidence: unknown }>;
}

describe('running checks', () => {
  it('tells start and end of each, in order, with the time that it took', async () => {
    const slow: Run = async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return { evidence: { version: '18.4', tables: 3, primary: true, absent: undefined }, warning: true };
    };
    const outcome = await run(connector({ 'a/one': passes, 'b/two': slow }));
    expect(outcome).toEqual({ status: 'PASSED', failure: null, skipped: [] });
    expect(events).toEqual([
      { kind: 'started', name: 'my_type/a/one' },
      {
        kind: 'ended',
        name: 'my_type/a/one',
        status: 'PASSED',
        durationMs: expect.any(Number),
        evidence: [],
        failure: null,
      },
      { kind: 'started', name: 'my_type/b/two' },
      {
        kind: 'ended',
        name: 'my_type/b/two',
        status: 'WARNING',
        durationMs: expect.any(Number),
        evidence: [
          { name: 'version', value: '18.4' },
          { name: 'tables', value: '3' },
          { name: 'primary', value: 'true' },
        ],
        failure: null,
      },
    ]);
    expect(lastEvent().durationMs).toBeGreaterThanOrEqual(29);
    expect(String(lastEvent().durationMs)).toMatch(/^\d+(\.\d)?$/);
  });

  it('runs what it is told to, and refuses what the connector does not have', async () => {
    const tested = connector({ 'a/one': passes, 'b/two': passes });
    await run(tested, { checks: ['my_type/b/two'] });
    expect(events.map(({ name }) => name)).toEqual(['my_type/b/two', 'my_type/b/two']);
    await expect(run(tested, { checks: ['my_type/c/three'] })).rejects.toThrow('my_type/c/three');
  });

  it('hands the connection of one check to a later one, once', async () => {
    const socket = {} as NonNullable<CheckContext<object, unknown>['link']['socket']>;
    const connect: Run = ({ link }) => {
      link.socket = socket;
      return Promise.resolve({ evidence: {} });
    };
    const signIn: Run = ({ link }) =>
      Promise.resolve({ evidence: { same: link.take() === socket, left: link.socket !== undefined } });
    const again: Run = ({ link }) => Promise.resolve({ evidence: { got: String(link.take()) } });
    const outcome = await run(connector({ connect, signIn, again }));
    expect(events[3]).toMatchObject({
      evidence: [
        { name: 'same', value: 'true' },
        { name: 'left', value: 'false' },
      ],
    });
    expect(outcome.failure?.code).toBe('INTERNAL');
  });

  it('closes what the connector holds, always, whatever comes of it', async () => {
    const close = vi.fn(() => {
      throw new Error('cannot close');
    });
    const state = { client: 1 };
    const more = { close, createState: () => state };
    expect((await run(connector({ one: passes }, more))).status).toBe('PASSED');
    expect((await run(connector({ one: fails(new Failure('TIMEOUT')) }, more))).status).toBe('FAILED');
    expect(close.mock.calls).toEqual([[state], [state]]);
    expect(log.filter(([level, text]) => level === 'error' && text.includes('cannot close'))).toHaveLength(2);
  });
});

describe('a failure', () => {
  it('ends the test and skips the rest', async () => {
    const failure = new Failure('PASSWORD_REFUSED', { configPath: 'password', evidence: { method: 'scram' } });
    const outcome = await run(connector({ one: passes, two: fails(failure), three: passes, four: passes }));
    expect(outcome).toEqual({ status: 'FAILED', failure: failure.report, skipped: ['my_type/three', 'my_type/four'] });
    expect(lastEvent()).toMatchObject({
      name: 'my_type/two',
      status: 'FAILED',
      evidence: [{ name: 'method', value: 'scram' }],
      failure: { code: 'PASSWORD_REFUSED' },
    });
  });

  it('thrown without waiting is one too', async () => {
    const outcome = await run(
      connector({
        one: () => {
          throw new Failure('BUCKET_NOT_FOUND');
        },
      }),
    );
    expect(outcome.failure?.code).toBe('BUCKET_NOT_FOUND');
  });

  it('is the connector’s to explain first, then the network’s, which knows the field', async () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const explain = (error: unknown) => (error === refused ? undefined : new Failure('DATABASE_NOT_FOUND'));
    const own = await run(connector({ one: fails(new Error('3D000')) }, { explain }));
    expect(own.failure?.code).toBe('DATABASE_NOT_FOUND');
    const network = await run(connector({ one: fails(refused) }, { explain }));
    expect(network.failure).toMatchObject({ code: 'CONNECTION_REFUSED', configPath: 'port' });
    const known = await run(connector({ one: fails(new Failure('NAME_NOT_FOUND')) }));
    expect(known.failure).toMatchObject({ code: 'NAME_NOT_FOUND', configPath: 'host' });
  });

  it('that nobody can explain is INTERNAL, and in the log without secrets', async () => {
    const strange = new Error('odd\nwith hunter22 in it', {
      cause: Object.assign(new Error('deep'), { code: 'E_DEEP' }),
    });
    const outcome = await run(connector({ one: fails(strange) }), { secrets: ['hunter22'] });
    expect(outcome.failure).toMatchObject({ code: 'INTERNAL', cause: 'INTERNAL' });
    expect(log).toHaveLength(1);
    expect(log[0]?.[0]).toBe('error');
    expect(log[0]?.[1]).toContain('Error: odd\n[redacted]');
    expect(log[0]?.[1]).toMatch(/deep[\s\S]*\[E_DEEP\]/);
    expect(log[0]?.[1]).not.toContain('hunter22');
  });

  it('is INTERNAL when explaining it goes wrong', async () => {
    const explain = () => {
      throw new Error('bad explanation');
    };
    const outcome = await run(connector({ one: fails(new Error('odd')) }, { explain }));
    expect(outcome.failure?.code).toBe('INTERNAL');
    expect(log.map(([, text]) => text).join()).toContain('bad explanation');
  });

  it('is INTERNAL when a check gives nothing back', async () => {
    const nothing = (() => Promise.resolve()) as unknown as Run;
    expect((await run(connector({ one: nothing }))).failure?.code).toBe('INTERNAL');
  });
});

describe('evidence', () => {
  it('is printable, and cut', async () => {
    const long = '😀'.repeat(300);
    await run(
      connector({
        one: () => Promise.resolve({ evidence: { text: 'a\u0000b\u001b[31m\u202Ec\u2066\u200B\nd\uD800é', long } }),
      }),
    );
    const [text, cut] = lastEvent().evidence;
    expect(text?.value).toBe('ab[31mcdé');
    expect(Array.from(cut?.value ?? '')).toHaveLength(200);
    expect(cut?.value).toMatch(/^(😀){199}…$/u);
  });

  it('shows no secret, whole, encoded, cut in pieces or at the end of a long text', async () => {
    const secret = 'hunter22';
    const evidence = {
      plain: `my ${secret}`,
      basic: Buffer.from(`user:${secret}`).toString('base64'),
      pieces: 'hun\u0000ter\u200b22',
      long: 'x'.repeat(195) + secret,
      other: 'hunter2',
    };
    await run(connector({ one: () => Promise.resolve({ evidence }) }), { secrets: [secret] });
    expect(lastEvent().evidence.map(({ value }) => value)).toEqual([
      '[redacted]',
      '[redacted]',
      '[redacted]',
      '[redacted]',
      'hunter2',
    ]);
  });
});

describe('the signal', () => {
  const hangs: Run = () => new Promise(() => undefined);

  it.each([
    ['deadline', 'FAILED', 'TIMEOUT'],
    ['cancelled', 'CANCELLED', 'CANCELLED'],
    [undefined, 'CANCELLED', 'CANCELLED'],
  ])('with reason %s ends a check that ignores it: %s', async (reason, status, code) => {
    const controller = new AbortController();
    const running = run(connector({ one: passes, two: hangs, three: passes }), { signal: controller.signal });
    await expect.poll(() => events).toHaveLength(3);
    controller.abort(reason);
    expect(await running).toMatchObject({ status, failure: { code }, skipped: ['my_type/three'] });
    expect(lastEvent()).toMatchObject({ name: 'my_type/two', status: 'FAILED', evidence: [], failure: { code } });
  });

  it('decides, whatever the driver says about the closed socket', async () => {
    const controller = new AbortController();
    const listens: Run = ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Failure('CONNECTION_LOST'))));
    const running = run(connector({ one: listens }), { signal: controller.signal });
    await expect.poll(() => events).toHaveLength(1);
    controller.abort('deadline');
    expect((await running).failure?.code).toBe('TIMEOUT');
  });

  it('takes a late rejection without a word', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const controller = new AbortController();
    let reject: (error: Error) => void = () => undefined;
    const late: Run = () =>
      new Promise((_, no) => {
        reject = no;
      });
    const running = run(connector({ one: late }), { signal: controller.signal });
    await expect.poll(() => events).toHaveLength(1);
    controller.abort('cancelled');
    await running;
    reject(new Error('late'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(events).toHaveLength(2);
  });

  it('that has aborted before starts no check', async () => {
    const outcome = await run(connector({ one: passes, two: passes }), { signal: AbortSignal.abort('deadline') });
    expect(outcome).toMatchObject({
      status: 'FAILED',
      failure: { code: 'NOT_BEGUN' },
      skipped: ['my_type/one', 'my_type/two'],
    });
    expect(events).toEqual([]);
  });
});

describe('planning checks', () => {
  const check = (name: string, more: Partial<Connector['checks'][number]> = {}) => ({
    name,
    title: name,
    description: name,
    run: passes,
    ...more,
  });
  const tested = connector(
    {},
    {
      checks: [
        check('endpoint/connect', { base: true }),
        check('tls/handshake', { base: true, appliesTo: (given) => given.tls === true }),
        check('session/authenticate', { base: true }),
        check('tables/list'),
        check('schema/create', { writes: true, runsByDefault: false }),
        check('points/count', { appliesTo: (given) => given.points === true }),
      ],
    },
  );
  const plan = (methods: string[] | null, given = {}) =>
    planChecks(tested, given, methods?.map((name) => `my_type/${name}`) ?? null);
  const names = (...checks: string[]) => ({ checks: checks.map((name) => `my_type/${name}`) });

  it('takes the default ones that apply', () => {
    expect(plan(null)).toEqual(names('endpoint/connect', 'session/authenticate', 'tables/list'));
    expect(plan(null, { tls: true, points: true })).toEqual(
      names('endpoint/connect', 'tls/handshake', 'session/authenticate', 'tables/list', 'points/count'),
    );
  });

  it('brings the base checks before what is asked for, and no others', () => {
    expect(plan(['schema/create'], { tls: true })).toEqual(
      names('endpoint/connect', 'tls/handshake', 'session/authenticate', 'schema/create'),
    );
    expect(plan(['endpoint/connect'])).toEqual(names('endpoint/connect'));
    expect(plan(['session/authenticate'])).toEqual(names('endpoint/connect', 'session/authenticate'));
  });

  it('keeps the connector’s order and takes each once', () => {
    expect(plan(['schema/create', 'tables/list', 'schema/create'])).toEqual(
      names('endpoint/connect', 'session/authenticate', 'tables/list', 'schema/create'),
    );
  });

  it('refuses what is unknown, what does not apply, and nothing at all', () => {
    expect(plan(['tables/list', 'no/such', 'tls/handshake', 'no/such'])).toEqual({
      unknown: ['my_type/no/such'],
      notApplicable: ['my_type/tls/handshake'],
      empty: false,
    });
    expect(planChecks(tested, {}, ['tables/list'])).toEqual({
      unknown: ['tables/list'],
      notApplicable: [],
      empty: false,
    });
    expect(plan([])).toEqual({ unknown: [], notApplicable: [], empty: true });
  });
});

describe('clean-ups', () => {
  const hangs = () => new Promise<never>(() => undefined);

  it('are done after the outcome is told, the newest first, whatever becomes of one, but for what is taken back', async () => {
    const done: string[] = [];
    const opens: Run = async ({ onEnd }) => {
      onEnd(async () => done.push('oldest'));
      onEnd(async () => Promise.reject(new Error('refused')));
      onEnd(async () => done.push('never'))();
      onEnd(async () => done.push('newest'));
      return { evidence: {} };
    };
    const outcome = await run(connector({ 'a/one': opens }), { onOutcome: ({ status }) => done.push(status) });
    expect(outcome.status).toBe('PASSED');
    expect(done).toEqual(['PASSED', 'newest', 'oldest']);
    expect(log).toEqual([['info', 'clean-up: Error: refused']]);
  });

  it('of an aborted test have a dialer of their own, and as much time as there is', async () => {
    const abort = new AbortController();
    const afterwards = vi.fn(() => dialer);
    const opens: Run = ({ onEnd }) => {
      onEnd(hangs);
      abort.abort('deadline');
      return hangs();
    };
    const outcome = await run(connector({ 'a/one': opens }), {
      signal: abort.signal,
      dialer: { ...dialer, afterwards },
      cleanUpMs: 20,
    });
    expect(outcome.failure?.code).toBe('TIMEOUT');
    expect(afterwards).toHaveBeenCalledOnce();
    expect(log).toEqual([['info', 'clean-up: Error: A clean-up was not done in time.']]);
  });
});

describe('a timeout', () => {
  const late = async (
    names: string[],
    more: Partial<Connector> = {},
    waiting?: { hint: string; configPath: string },
  ) => {
    const abort = new AbortController();
    const waits: Run = ({ waitsFor }) => {
      if (waiting) waitsFor(waiting);
      abort.abort('deadline');
      return new Promise(() => undefined);
    };
    const checks = [...names.map((name) => [name, passes] as const), ['query/execute', waits] as const];
    return (await run(connector(Object.fromEntries(checks), more), { signal: abort.signal })).failure;
  };

  it('is about host, port and firewalls as long as nobody has answered', async () => {
    expect(await late(['endpoint/resolve', 'endpoint/connect', 'tls/handshake'])).toMatchObject({
      code: 'TIMEOUT',
      hint: expect.stringContaining('firewalls'),
    });
  });

  it('is about the server once it has answered', async () => {
    const failure = await late(['tls/handshake', 'session/authenticate']);
    expect(failure?.code).toBe('TIMEOUT');
    expect(failure?.hint).not.toMatch(/firewall|port/);
  });

  it('names what was waited for', async () => {
    const waiting = { hint: 'It is starting.', configPath: 'warehouse' };
    expect(await late(['session/authenticate'], {}, waiting)).toMatchObject({ code: 'TIMEOUT', ...waiting });
  });

  it('of the network is told in the same words', async () => {
    const error = Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' });
    const outcome = await run(connector({ 'session/authenticate': passes, 'query/execute': fails(error) }));
    expect(outcome.failure).toMatchObject({ code: 'TIMEOUT', hint: expect.not.stringMatching(/firewall/) });
    expect(log.map(([, text]) => text)).toEqual([expect.stringContaining('ETIMEDOUT')]);
  });
});
