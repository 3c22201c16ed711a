import { AsyncResource } from 'node:async_hooks';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { z } from 'zod';
import { secret } from '../../src/connectors/kit/config/marks.ts';
import { type Connector, defineConnector } from '../../src/connectors/kit/contract/connector.ts';
import { Failure } from '../../src/connectors/kit/contract/failure.ts';
import type { PeerSocket } from '../../src/connectors/kit/contract/peer-socket.ts';

/**
 * Connectors that behave and misbehave in every way that the executor has to stand. It is what a child takes
 * loadConnector from.
 */
const config = z.object({
  host: z.string().default('127.0.0.1'),
  port: z.int().default(1),
  password: secret(z.string()).optional(),
});
type Config = z.output<typeof config>;
type Run = Connector<typeof config, undefined>['checks'][number]['run'];

const found = (evidence: Record<string, string>) => Promise.resolve({ evidence });
const forever = () => new Promise<never>(() => undefined);

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function connector(type: string, run: Run, options: { writes?: boolean } = {}): Connector {
  return defineConnector<typeof config, undefined>({
    type,
    title: type,
    description: 'For tests.',
    category: 'FILE',
    provenAgainst: 'nothing',
    leastRights: 'None.',
    config,
    example: {},
    targets: ({ host, port }: Config) => [{ host, port, tls: null, hostPath: 'host', portPath: 'port' }],
    checks: [
      { name: 'first/step', title: 'First', description: 'Passes.', base: true, run: () => found({ step: '1' }) },
      { name: 'second/step', title: 'Second', description: 'Does what the type says.', ...options, run },
      { name: 'third/step', title: 'Third', description: 'Passes.', run: () => found({ step: '3' }) },
    ],
    createState: () => undefined,
  });
}

/** Made while the module is loaded, so that it belongs to no test. */
const nobody = new AsyncResource('NOBODY');

function throwLater(): void {
  setImmediate(() => {
    throw new Error('thrown by nobody');
  });
}

/** Takes all the time that there is, and lets others have their turns, until the socket closes. */
function work(socket: PeerSocket): void {
  if (socket.destroyed) return;
  block(20);
  setImmediate(() => work(socket));
}

/** Does what the peer says: `pass`, `work`, `block`, `exit`, `throw`, `throw as nobody`. */
const obeysPeer: Run = async ({ config: { host, port }, dialer }) => {
  const socket = await dialer.dial(host, port);
  const word = await new Promise<string>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      if (chunk.toString() === 'work') return work(socket);
      if (chunk.toString() === 'block') block(60_000);
      if (chunk.toString() === 'exit') process.exit(3);
      if (chunk.toString() === 'throw') throw new Error('thrown into the void');
      if (chunk.toString() === 'throw as nobody') return nobody.runInAsyncScope(throwLater);
      resolve(chunk.toString());
    });
    socket.once('close', () => reject(new Failure('CONNECTION_LOST')));
  });
  return { evidence: { word } };
};

/** What a hijacked driver knows of the child: the channel to the gateway, and the run that spoke last. */
let channel: Socket | undefined;
let ownRun = '';
const { write } = Socket.prototype;
Socket.prototype.write = function (this: Socket, ...given: unknown[]) {
  const [, run] = /^\{"type":"event","run":"([^"]+)"/.exec(String(given[0])) ?? [];
  if (run !== undefined) {
    channel = this;
    ownRun = run;
  }
  return Reflect.apply(write, this, given);
};

/** What a hijacked driver is to send: `RUN` stands for its own run, `FILL` for so many characters. */
export interface Forgery {
  readonly text: string;
  readonly times?: number;
  readonly fill?: number;
}

/** Tells the peer its run, then sends the gateway what the peer says, and hangs. */
const forges: Run = async ({ config: { host, port }, dialer }) => {
  const own = ownRun;
  const socket = await dialer.dial(host, port);
  socket.write(own);
  const [word] = await once(socket, 'data');
  const { text, times = 1, fill = 0 }: Forgery = JSON.parse(String(word));
  channel?.write(text.replaceAll('RUN', own).replaceAll('FILL', 'x'.repeat(fill)).repeat(times));
  return forever();
};

/** Plays what the peer aims at, tells it what came of it, and then does what must end the process. */
const plays: Run = async ({ config: { host, port }, dialer }) => {
  const { changeFlags, playAll } = await import('./hijacked-driver.ts');
  const socket = await dialer.dial(host, port);
  const [aims] = await once(socket, 'data');
  socket.write(`${JSON.stringify(await playAll(JSON.parse(String(aims))))}\n`);
  await once(socket, 'data');
  changeFlags();
  return found({ flags: 'changed' });
};

/** Says hello to the peer and hangs; at the end it says goodbye on a connection of its own, and waits for an answer. */
const opensSession: Run = async ({ config: { host, port }, dialer, onEnd }) => {
  onEnd(async (ending) => {
    const socket = await ending.dialer.dial(host, port);
    socket.write('goodbye');
    await once(socket, 'data', { signal: ending.signal });
  });
  (await dialer.dial(host, port)).write('hello');
  return forever();
};

const reading: Run = ({ config: { host } }) => found({ text: readFileSync(host, 'utf8').slice(0, 10) });

const connectors: readonly Connector[] = [
  connector('PASSES', () => found({ pid: String(process.pid) })),
  connector('FAILS', () => Promise.reject(new Failure('PASSWORD_REFUSED', { configPath: 'password' }))),
  connector('HANGS', forever),
  connector('BLOCKS', async () => {
    block(60_000);
    return { evidence: {} };
  }),
  connector('CRASHES', () => process.exit(3)),
  connector('OBEYS', obeysPeer),
  connector('WRITES', obeysPeer, { writes: true }),
  connector('FORGES', forges),
  connector('PLAYS', plays),
  connector('LEAKS', ({ config: { password } }) => found({ banner: `hello ${password}`, port: '5432' })),
  connector('ECHOES', ({ config: { password } }) => Promise.reject(new Error(`no way in with ${password}`))),
  connector('PRINTS', ({ config: { password } }) => {
    process.stderr.write(`signing in with ${password}\nsigned in\n`);
    return found({});
  }),
  connector('CHATTERS', () => {
    process.stderr.write('chatter\n'.repeat(1_000));
    return found({});
  }),
  connector('REJECTS_LATE', async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new Error('too late');
  }),
  connector('OPENS_SESSION', opensSession),
  connector('READS', reading),
  connector('SHOWS_ENVIRONMENT', () =>
    found({
      names: Object.keys(process.env).toSorted().join(' '),
      home: process.env.HOME ?? '',
      arguments: process.execArgv[0] ?? '',
    }),
  ),
];

export async function loadConnector(type: string): Promise<Connector> {
  const known = connectors.find((each) => each.type === type);
  if (!known) throw new Error(`There is no connector of type ${type}.`);
  return known;
}
