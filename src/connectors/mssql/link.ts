import { endpointChecks } from '../kit/checks/endpoint.ts';
import { hostTarget } from '../kit/config/target.ts';
import type { CheckContext, CheckOutcome, SecuredSocket } from '../kit/contract/connector.ts';
import { explainNetworkError } from '../kit/contract/explain.ts';
import { Failure } from '../kit/contract/failure.ts';
import type { PeerSocket } from '../kit/contract/peer-socket.ts';
import type { MssqlConfig } from './config.ts';
import { askPrelogin, encryption, PACKET_BYTES, type Prelogin, PreloginCarrier } from './prelogin.ts';
import type { MssqlSession } from './session.ts';

/** What the checks of one test share. */
export interface MssqlState {
  /** What the server has said before TLS, which it says only once a connection. */
  prelogin?: Prelogin;
  /** True when the server takes nothing in clear text: TLS comes first, as in TDS 8.0. */
  isStrict?: boolean;
  session?: MssqlSession;
  /** The error with which the server refused the database, after it had taken the login. */
  refusal?: Error;
}

export type MssqlContext = CheckContext<MssqlConfig, MssqlState>;

/** TLS before all else. No record is longer than a packet: servers hang up on longer ones. */
const STRICT = { alpnProtocols: ['tds/8.0'], maxSendFragment: PACKET_BYTES };
/** TLS within PRELOGIN messages. TDS 7 has no place for what TLS 1.3 sends after the handshake. */
const WRAPPED = { maxVersion: 'TLSv1.2', maxSendFragment: PACKET_BYTES } as const;

/** The kit's endpoint checks, with TLS as SQL Server wants it. */
export const linkChecks = endpointChecks<MssqlConfig, MssqlState>({ target: hostTarget, handshake: shakeHands });

async function shakeHands(context: MssqlContext): Promise<CheckOutcome> {
  const { link, state } = context;
  const { socket, evidence, warning } = await secure(context, link.take());
  link.socket = socket;
  return { evidence: { ...evidence, tds: state.isStrict ? '8.0' : '7.4' }, warning };
}

/**
 * Agrees on TLS within PRELOGIN messages. When the server hangs up on the first of them, it tries TLS before all else,
 * over a new connection.
 */
async function secure(context: MssqlContext, socket: PeerSocket): Promise<SecuredSocket> {
  try {
    return await secureWrapped(context, socket);
  } catch (error) {
    const hungUp = explainNetworkError(error);
    if (context.state.prelogin || hungUp?.report.code !== 'CONNECTION_LOST') throw error;
    return secureStrictly(context, hungUp);
  }
}

async function secureWrapped({ config, dialer, state }: MssqlContext, socket: PeerSocket): Promise<SecuredSocket> {
  const prelogin = await askPrelogin(socket, 'on');
  state.prelogin = prelogin;
  if (prelogin.encryption !== encryption.on && prelogin.encryption !== encryption.required) {
    throw new Failure('TLS_NOT_OFFERED', { configPath: 'tls.mode' });
  }
  const carrier = new PreloginCarrier(socket.detach());
  const secured = await dialer.secure(carrier, config.host, config.tls, WRAPPED);
  carrier.unwrap();
  return secured;
}

async function secureStrictly({ config, dialer, state }: MssqlContext, hungUp: Failure): Promise<SecuredSocket> {
  const socket = await dialer.dial(config.host, config.port);
  try {
    const secured = await dialer.secure(socket, config.host, config.tls, STRICT);
    state.isStrict = true;
    return secured;
  } catch (error) {
    // only a failure that is about a certificate shows a TLS server; of any other the first attempt says more
    const code = error instanceof Failure ? error.report.code : undefined;
    throw code === 'TLS_FAILED' || code === undefined ? hungUp : error;
  }
}

/** Asks what the server says about itself, over a connection that is ready for the sign-in. */
export async function greet({ config, state }: MssqlContext, socket: PeerSocket): Promise<Prelogin> {
  if (state.prelogin) return state.prelogin;
  const prelogin = await askPrelogin(socket, 'notSupported');
  const isDemanded = prelogin.encryption === encryption.on || prelogin.encryption === encryption.required;
  if (config.tls.mode === 'DISABLE' && isDemanded) throw new Failure('TLS_REQUIRED', { configPath: 'tls.mode' });
  return prelogin;
}

/** Opens a second connection, which is as ready for the sign-in as the link's own was. */
export async function reconnect(context: MssqlContext): Promise<PeerSocket> {
  const { config, dialer } = context;
  const again = { ...context, state: { ...(context.state.isStrict ? { isStrict: true } : {}) } };
  const socket = await dialer.dial(config.host, config.port);
  let ready = socket;
  if (config.tls.mode !== 'DISABLE') {
    const secured = context.state.isStrict
      ? await dialer.secure(socket, config.host, config.tls, STRICT)
      : await secureWrapped(again, socket);
    ready = secured.socket;
  }
  await greet(again, ready);
  return ready;
}
