import type { KeyObject } from 'node:crypto';
import type { AnyAuthMethod, AuthenticationType, ParsedKey } from 'ssh2';
import type { SshTunnel } from '../config/ssh-tunnel.ts';
import type { Evidence } from '../contract/connector.ts';
import { Failure } from '../contract/failure.ts';
import { openSshText } from '../keys/openssh-key.ts';
import { openPrivateKey } from '../keys/private-key.ts';

const EXPIRED_HINT = 'The password has expired: set a new one at the bastion.';
const WANTS_KEY_HINT = 'The bastion asks for a key first: give a private key. Keep the password where it wants both.';
const WANTS_PASSWORD_HINT = 'The bastion takes passwords, no keys: give a password.';
const ALSO_WANTS_KEY_HINT = 'The bastion took the password and also wants a key: give a private key too.';
const ALSO_WANTS_PASSWORD_HINT = 'The bastion took the key and also wants a password: give it too.';
const WANTS_MORE_HINT =
  'The bastion took what was given and wants one more factor, a one-time code say, which the gateway cannot give: allow ' +
  'this user to sign in without it.';
const WANTS_NEITHER_HINT =
  'The bastion takes neither passwords nor keys from this user: have its operator allow one of them.';

/** Reads what a test signs in to the bastion with. Fails with the failures of openPrivateKey. `parse` is ssh2's own. */
export async function readCredentials(
  tunnel: SshTunnel,
  parse: (text: string) => ParsedKey | Error,
  signal: AbortSignal,
): Promise<TunnelCredentials> {
  const { privateKey, passphrase } = tunnel;
  if (privateKey === undefined) return new TunnelCredentials(tunnel, undefined);
  const keyPath = 'sshTunnel.privateKey';
  const passphrasePath = 'sshTunnel.passphrase';
  const key = parse(textOf(await openPrivateKey(privateKey, { passphrase, keyPath, passphrasePath, signal })));
  if (key instanceof Error) throw new Failure('KEY_UNUSABLE', { configPath: keyPath, error: key });
  return new TunnelCredentials(tunnel, key);
}

/** The ways in which one test can sign in, each tried once: the key first, then the password, asked for or not. */
export class TunnelCredentials {
  readonly #tunnel: SshTunnel;
  readonly #left: AnyAuthMethod[];
  readonly #tried: AuthenticationType[] = [];
  #offered: readonly AuthenticationType[] = [];
  /** True when the bastion has taken the way that was tried last, and wants another one besides. */
  #wantsMore = false;
  #asked = false;

  constructor(tunnel: SshTunnel, key: ParsedKey | undefined) {
    this.#tunnel = tunnel;
    this.#left = methodsOf(tunnel, key);
  }

  /** True once the bastion has been asked to let the user in. */
  get asked(): boolean {
    return this.#asked;
  }

  /** Gives the way to try next, or false when none is left. `offered` is null before the bastion has said anything. */
  next(offered: readonly AuthenticationType[] | null, partial: boolean | null): AnyAuthMethod | false {
    this.#asked = true;
    // this asks the bastion what it offers
    if (offered === null) return { type: 'none', username: this.#tunnel.username };
    this.#offered = offered;
    this.#wantsMore = partial === true;
    // a wrong password is not tried in two ways: bastions count attempts
    if (!partial && this.#tried.at(-1) === 'password') return false;
    const at = this.#left.findIndex(({ type }) => offered.includes(type));
    const [method] = at < 0 ? [] : this.#left.splice(at, 1);
    if (!method) return false;
    // the bastion has not taken yet what is tried now
    this.#wantsMore = false;
    this.#tried.push(method.type);
    return method;
  }

  /** The failure that tells why the bastion did not let the user in. */
  refused(evidence: Evidence, error: Error | undefined): Failure {
    const { password, privateKey } = this.#tunnel;
    const fail = (configPath: string, hint?: string) =>
      new Failure('SSH_AUTHENTICATION_REFUSED', { configPath, evidence, error, ...(hint ? { hint } : {}) });
    const takes = (...ways: AuthenticationType[]) => ways.some((way) => this.#offered.includes(way));
    const last = this.#tried.at(-1);
    if (this.#wantsMore) {
      if (takes('password', 'keyboard-interactive') && password === undefined)
        return fail('sshTunnel.password', ALSO_WANTS_PASSWORD_HINT);
      if (takes('publickey') && privateKey === undefined) return fail('sshTunnel.privateKey', ALSO_WANTS_KEY_HINT);
      return fail('sshTunnel.username', WANTS_MORE_HINT);
    }
    if (last !== undefined) return fail(last === 'publickey' ? 'sshTunnel.privateKey' : 'sshTunnel.password');
    if (takes('publickey') && privateKey === undefined) return fail('sshTunnel.privateKey', WANTS_KEY_HINT);
    if (takes('password', 'keyboard-interactive') && password === undefined) {
      return fail('sshTunnel.password', WANTS_PASSWORD_HINT);
    }
    return fail('sshTunnel.username', WANTS_NEITHER_HINT);
  }

  expired(evidence: Evidence): Failure {
    return new Failure('SSH_AUTHENTICATION_REFUSED', {
      configPath: 'sshTunnel.password',
      hint: EXPIRED_HINT,
      evidence,
    });
  }
}

function methodsOf({ username, password }: SshTunnel, key: ParsedKey | undefined): AnyAuthMethod[] {
  const methods: AnyAuthMethod[] = [];
  // its type asks for a text, but ssh2 takes a key that it has read already
  if (key) methods.push({ type: 'publickey', username, key: key as unknown as Buffer });
  if (password === undefined) return methods;
  methods.push({ type: 'password', username, password });
  methods.push({
    type: 'keyboard-interactive',
    username,
    // it answers the one question that PAM asks, and no other
    prompt: (_name, _instructions, _language, prompts, answer) =>
      answer(prompts.length === 1 && !prompts[0]?.echo ? [password] : []),
  });
  return methods;
}

/** The key as text that ssh2 reads. */
function textOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'ed25519') return openSshText(key);
  return key.export({ type: key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1', format: 'pem' }).toString();
}
