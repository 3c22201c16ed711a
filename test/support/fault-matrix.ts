import type { Target } from '../../src/connectors/kit/contract/connector.ts';
import type { FailureCode } from '../../src/errors/check-failures.ts';
import { type Authority, createSelfSigned } from './certificates.ts';
import { ownTime } from './own-time.ts';
import { type BastionOptions, type BastionUser, startBastion } from './peers/fake-bastion.ts';
import { type Gate, startGate } from './peers/gate.ts';
import { startHttpPeer } from './peers/http-peer.ts';
import { closedPort, startTarpit } from './peers/tarpit.ts';
import { generateSshKey } from './ssh-keys.ts';
import type { Changes, Inapplicable, OwnCause, Stand, StandPeer, Trial } from './stands/stand.ts';
import type { TestConnectionOptions, TestedConnection } from './test-connection.ts';
import { openStand, type UsedStand } from './use-stand.ts';

/** Every cause of the matrix, in the parts in which it is printed. */
export const parts = {
  'On the way': [
    'closed port',
    'unknown name',
    'blocked address',
    'silent peer',
    'silent once signed in',
    'gone once signed in',
    'a mail server answers',
    'a web server answers',
    'a firewall answers',
    'nothing behind the proxy',
    'a limit is reached',
  ],
  'Through an SSH tunnel': [
    'bastion refuses sign-in',
    'bastion wants a second factor',
    'bastion refuses to forward',
    'wrong host key',
  ],
  'The server’s certificate': ['self-signed', 'for another name', 'expired'],
  'At the server': ['wrong password or key', 'unknown user', 'missing name', 'no right'],
} as const satisfies Record<string, readonly string[]>;

export type Cause = (typeof parts)[keyof typeof parts][number];

/** In milliseconds. */
const DEADLINE = 15_000;
const SILENCE = 1_000;
const BASTION = { host: 'bastion.example', port: 22, username: 'jump', password: 'bastion-password-5d1c' };

/** What a failure must come to; left out: as the connector sees it, which the printed matrix pins. */
export interface Expectation {
  readonly codes: readonly FailureCode[];
  readonly configPath?: string | null;
  /** No server refuses anything: what it answers shows the failure. */
  readonly seenInAnswer?: boolean | undefined;
}

export interface TriedCause extends TestedConnection {
  /** Both in milliseconds of the test's own time. */
  readonly took: number;
  readonly deadline: number;
}

/** A stand whose peers run, and each failure that it can be made to show. */
export interface StartedStand {
  /** Tests the connection with nothing wrong, directly or through the bastion. */
  works(way: 'directly' | 'through a tunnel'): Promise<TestedConnection>;
  /** Why a cause cannot apply, or what it must come to. */
  expects(cause: Cause): Inapplicable | Expectation;
  /** Tests the connection with that one thing wrong. */
  tries(cause: Cause): Promise<TriedCause>;
  close(): Promise<void>;
}

/** An SSH server with one user that opens what `forwards` says, as FakeBastion does. */
export interface Bastion {
  readonly port: number;
  readonly fingerprint: string;
  /** Another user than the one that was asked for. */
  readonly user?: Pick<BastionUser, 'name' | 'password'>;
  /** What leads the config to the peer where the bastion cannot be told what a name means. */
  readonly place?: Changes;
  close(): Promise<void>;
}

export type StartBastion = (options: Pick<BastionOptions, 'user' | 'forwards'>) => Promise<Bastion>;

/** `used`: the same stand in use, which is closed by whoever has opened it. */
export async function startStand<Options extends object, Peer extends StandPeer>(
  stand: Stand<Options, Peer>,
  used: UsedStand<Options, Peer> = openStand(stand),
  startItsBastion: StartBastion = startBastion,
): Promise<StartedStand> {
  const running = new RunningStand(used as unknown as UsedStand, startItsBastion);
  await running.start();
  return running;
}

class RunningStand implements StartedStand {
  readonly #stand: Stand;
  readonly #used: UsedStand;
  #peer: StandPeer = { port: 0, close: async () => undefined };
  #bastion: Bastion | undefined;
  readonly #startBastion: StartBastion;

  constructor(used: UsedStand, startItsBastion: StartBastion) {
    const { stand } = used;
    this.#stand = stand;
    this.#used = used;
    this.#startBastion = startItsBastion;
    if (!targetOf(stand) && !stand.connector.runsInGateway)
      throw new Error(`${stand.connector.type} connects to nothing.`);
  }

  async start(): Promise<void> {
    this.#peer = await this.#used.shared();
    if (!hasTunnel(this.#stand)) return;
    const user = { name: BASTION.username, password: BASTION.password };
    const forwards = this.#used.namesFor(this.#peer.port);
    this.#bastion = await this.#used.keep(this.#startBastion({ user, forwards }));
  }

  close(): Promise<void> {
    return this.#used.close();
  }

  works(way: 'directly' | 'through a tunnel'): Promise<TestedConnection> {
    return way === 'directly' ? this.#used.tryAt(this.#peer) : this.#tunnelled();
  }

  expects(cause: Cause): Inapplicable | Expectation {
    return expectationOf(this.#stand, cause);
  }

  async tries(cause: Cause): Promise<TriedCause> {
    const expected = this.expects(cause);
    const deadline = 'codes' in expected && expected.codes.includes('TIMEOUT') ? SILENCE : DEADLINE;
    const test = await this.#prepared(cause);
    const start = ownTime();
    const tested = await test(deadline);
    return { ...tested, took: ownTime() - start, deadline };
  }

  /** Starts what the cause needs, so that the test's own time can be taken. */
  async #prepared(cause: Cause): Promise<(deadline: number) => Promise<TestedConnection>> {
    const trial = this.#stand.trials[cause as OwnCause];
    if (trial) {
      if ('never' in trial) throw new Error(`${cause} cannot be tried: ${trial.never}`);
      return this.#brought(trial);
    }
    if (cause in certificates) return this.#withCertificate(cause as keyof typeof certificates);
    switch (cause as Exclude<Cause, OwnCause | keyof typeof certificates>) {
      case 'closed port': {
        const port = await closedPort();
        return (deadline) => this.#used.tryAt({ port }, {}, { deadline });
      }
      case 'unknown name': {
        const lookup = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
        return (deadline) => this.#used.tryAt(this.#peer, {}, { names: {}, lookup, lookupService: lookup, deadline });
      }
      case 'blocked address': {
        const lookup = async () => ['127.0.0.1'];
        return (deadline) => this.#used.tryAt(this.#peer, {}, { names: {}, allow: [], lookup, deadline });
      }
      case 'silent peer':
        return this.#ledTo(startTarpit());
      case 'a mail server answers':
        return this.#ledTo(startTarpit({ says: '220 mail.example ESMTP\r\n' }));
      case 'silent once signed in':
        return this.#behindGate((gate) => gate.fallSilent());
      case 'gone once signed in':
        return this.#behindGate((gate) => gate.cut());
      case 'a web server answers':
        return this.#ledTo(this.#startWebServer(404));
      case 'a firewall answers':
        return this.#ledTo(this.#startWebServer(403));
      case 'nothing behind the proxy':
        return this.#refused(this.#stand.proxied, 503);
      case 'a limit is reached':
        return this.#refused(this.#stand.limited, 429);
      case 'bastion refuses sign-in':
        return (deadline) => this.#tunnelled({ deadline }, { 'sshTunnel.password': 'wrong' });
      case 'bastion wants a second factor': {
        const key = generateSshKey('ed25519');
        const { username: name, password } = BASTION;
        const bastion = await this.#used.keep(
          this.#startBastion({ user: { name, password, publicKey: key.public, both: true } }),
        );
        const keyAlone = { 'sshTunnel.privateKey': key.private, 'sshTunnel.password': undefined };
        return (deadline) => this.#tunnelled({ deadline }, keyAlone, bastion);
      }
      case 'bastion refuses to forward': {
        const user = { name: BASTION.username, password: BASTION.password };
        const bastion = await this.#used.keep(this.#startBastion({ user }));
        return (deadline) => this.#tunnelled({ deadline }, {}, bastion);
      }
      case 'wrong host key': {
        const hostKeyFingerprint = `SHA256:${'A'.repeat(43)}`;
        return (deadline) => this.#tunnelled({ deadline }, { 'sshTunnel.hostKeyFingerprint': hostKeyFingerprint });
      }
    }
  }

  async #brought(trial: Trial): Promise<(deadline: number) => Promise<TestedConnection>> {
    const peer = await this.#peerOf(trial);
    return async (deadline) => {
      const release = await trial.during?.(peer);
      try {
        return await this.#used.tryAt(peer, trial.change, { deadline });
      } finally {
        await release?.();
      }
    };
  }

  #refused(trial: Trial | undefined, status: number): Promise<(deadline: number) => Promise<TestedConnection>> {
    return trial ? this.#brought(trial) : this.#ledTo(this.#startWebServer(status));
  }

  /** Everything passes until somebody is signed in; from then on the gate before the peer does something else. */
  async #behindGate(turn: (gate: Gate) => void): Promise<(deadline: number) => Promise<TestedConnection>> {
    const gate = await this.#used.keep(startGate(this.#peer.port));
    gate.open();
    const signInCheck = signInCheckOf(this.#stand);
    const onPassed = (check: string) => {
      if (check === signInCheck) turn(gate);
    };
    return (deadline) => this.#used.tryAt({ ...this.#peer, port: gate.port }, {}, { deadline, onPassed });
  }

  async #peerOf({ start, options }: Trial): Promise<StandPeer> {
    if (start) return this.#used.keep(start(await this.#used.issue()));
    return options ? this.#used.start(options) : this.#peer;
  }

  async #withCertificate(cause: keyof typeof certificates): Promise<(deadline: number) => Promise<TestedConnection>> {
    const certificate = await certificates[cause](this.#used.hosts, this.#used.authority);
    const { present } = this.#peer;
    if (!present) return this.#ledTo((this.#stand.startHandshake ?? this.#stand.start)(certificate));
    return async (deadline) => {
      await present(certificate);
      try {
        return await this.#used.tryAt(this.#peer, {}, { deadline });
      } finally {
        await present(await this.#used.issue());
      }
    };
  }

  async #startWebServer(status: number): Promise<StandPeer> {
    const certificate = this.#stand.clearStart ? undefined : await this.#used.issue();
    if (this.#stand.startWebServer) return this.#stand.startWebServer(status, certificate);
    const headers = { 'content-type': 'text/html' };
    const page = { status, headers, body: '<html><body>Not here</body></html>' };
    return startHttpPeer(() => page, certificate ? { certificate } : {});
  }

  async #ledTo(starting: Promise<StandPeer>): Promise<(deadline: number) => Promise<TestedConnection>> {
    const peer = await this.#used.keep(starting);
    return (deadline) => this.#used.tryAt(peer, {}, { deadline });
  }

  #tunnelled(
    how: TestConnectionOptions = {},
    changes: Changes = {},
    bastion = this.#bastion,
  ): Promise<TestedConnection> {
    if (!bastion) throw new Error('The type has no SSH tunnel.');
    const names = { [`${BASTION.host}:${BASTION.port}`]: `127.0.0.1:${bastion.port}` };
    const { fingerprint, user = { name: BASTION.username, password: BASTION.password }, place } = bastion;
    const { name: username, password } = user;
    const sshTunnel = { ...BASTION, username, password, hostKeyFingerprint: fingerprint };
    return this.#used.tryAt(this.#peer, { sshTunnel, ...place, ...changes }, { names, ...how });
  }
}

/** Why a cause cannot apply to a stand, or what it must come to. */
export function expectationOf(stand: Stand, cause: Cause): Inapplicable | Expectation {
  const trial = stand.trials[cause as OwnCause];
  if (trial)
    return 'never' in trial
      ? trial
      : { codes: [trial.code], configPath: trial.configPath, seenInAnswer: trial.seenInAnswer };
  if (stand.connector.runsInGateway) return { never: 'The gateway keeps it itself, and connects to nothing.' };
  const refusal = cause === 'nothing behind the proxy' ? stand.proxied : stand.limited;
  const { hostPath = null, portPath = hostPath } = targetOf(stand) ?? {};
  const tunnelled = (expectation: Expectation) =>
    hasTunnel(stand) ? expectation : { never: 'The type has no SSH tunnel.' };
  const onceSignedIn = (expectation: Expectation) =>
    signInCheckOf(stand) === undefined ? { never: 'Nobody signs in.' } : expectation;
  const ofTls = (code: FailureCode, path: string | null) => ({
    codes: [code],
    configPath: 'tls' in stand.connector.config.shape ? path : null,
  });
  switch (cause as Exclude<Cause, OwnCause>) {
    case 'closed port':
      return { codes: ['CONNECTION_REFUSED'], configPath: portPath };
    case 'unknown name':
      return { codes: ['NAME_NOT_FOUND'], configPath: hostPath };
    case 'blocked address':
      return { codes: ['ADDRESS_NOT_ALLOWED'], configPath: hostPath };
    case 'silent peer':
      return { codes: ['TIMEOUT'], configPath: null };
    case 'silent once signed in':
      return onceSignedIn({ codes: ['TIMEOUT'] });
    case 'gone once signed in':
      return onceSignedIn({ codes: ['CONNECTION_LOST'], configPath: null });
    case 'a mail server answers':
      return { codes: [stand.clearStart ? 'PROTOCOL_MISMATCH' : 'TLS_FAILED'], configPath: portPath };
    case 'a web server answers':
      // each waits for the other to speak
      if (stand.clearStart === 'server') return { codes: ['TIMEOUT'], configPath: null };
      return { codes: ['PROTOCOL_MISMATCH', 'OBJECT_NOT_FOUND'] };
    case 'a firewall answers':
      if (stand.clearStart === 'server') return { codes: ['TIMEOUT'], configPath: null };
      return { codes: ['PROTOCOL_MISMATCH', 'PERMISSION_DENIED'] };
    case 'nothing behind the proxy':
      return { codes: ['SERVER_UNAVAILABLE'], ...(refusal && { configPath: refusal.configPath }) };
    case 'a limit is reached':
      return { codes: ['TOO_MANY_REQUESTS'], ...(refusal && { configPath: refusal.configPath }) };
    case 'bastion refuses sign-in':
      return tunnelled({ codes: ['SSH_AUTHENTICATION_REFUSED'], configPath: 'sshTunnel.password' });
    case 'bastion wants a second factor':
      return tunnelled({ codes: ['SSH_AUTHENTICATION_REFUSED'], configPath: 'sshTunnel.password' });
    case 'bastion refuses to forward':
      return tunnelled({ codes: ['SSH_FORWARDING_REFUSED'], configPath: hostPath });
    case 'wrong host key':
      return tunnelled({ codes: ['SSH_HOST_KEY_MISMATCH'], configPath: 'sshTunnel.hostKeyFingerprint' });
    case 'self-signed':
      return ofTls('TLS_SELF_SIGNED', 'tls.caCertificate');
    case 'for another name':
      return ofTls('TLS_NAME_MISMATCH', 'tls.serverName');
    case 'expired':
      return ofTls('TLS_EXPIRED', null);
  }
}

/** Undefined where nothing is connected to. */
function targetOf({ connector, config }: Stand): Target | undefined {
  return connector.targets(connector.config.parse(config))[0];
}

function hasTunnel({ connector }: Stand): boolean {
  return 'sshTunnel' in connector.config.shape;
}

/** The check whose passing means that the server knows who asks. */
function signInCheckOf({ connector }: Stand): string | undefined {
  return connector.checks.find(({ name }) => name === 'session/authenticate')?.name;
}

const certificates = {
  'self-signed': (names: readonly string[]) => createSelfSigned({ names }),
  'for another name': (_names: readonly string[], authority: Authority) =>
    authority.issue({ names: ['other.example'] }),
  expired: (names: readonly string[], authority: Authority) =>
    authority.issue({ names, notAfter: new Date(Date.now() - 60_000) }),
};
