import { isIPv4, isIPv6 } from 'node:net';

/** The port that a Host header leaves out. */
const HTTP_PORT = 80;

/** True for hosts that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}

/** Which scheme a page of a host may have been loaded by: the gateway itself speaks HTTP, a proxy before it HTTPS. */
type Scheme = 'http:' | 'https:' | 'any';

/**
 * Judges Host and Origin headers. On a loopback address only this machine's own names with the right port are served,
 * so that a stranger's name that resolves to 127.0.0.1 (DNS rebinding) gets nothing. Elsewhere those are served that
 * the operator allows, and all when nothing is said.
 */
export class ServedHosts {
  readonly #schemes = new Map<string, Scheme>();

  /** Each of `allowedHosts` is `name` or `name:port`, behind `http://` or `https://` where only one of them is used. */
  constructor(listensOn: string, port: number, allowedHosts: readonly string[]) {
    for (const entry of allowedHosts) {
      const [, scheme = 'any', host = ''] = /^(?:(https?:)\/\/)?(.*)$/.exec(entry.toLowerCase()) ?? [];
      this.#schemes.set(host, scheme as Scheme);
    }
    if (!isLoopback(listensOn)) return;
    for (const name of ['localhost', '127.0.0.1', '[::1]', isIPv6(listensOn) ? `[${listensOn}]` : listensOn]) {
      this.#schemes.set(`${name}:${port}`, 'http:');
      if (port === HTTP_PORT) this.#schemes.set(name, 'http:');
    }
  }

  serves(host: string | undefined): boolean {
    return this.#schemeOf(host) !== undefined;
  }

  /** True when no page sent the request (it has no Origin header), or a page of this very host and its scheme did. */
  isSameOrigin(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined) return true;
    if (!URL.canParse(origin)) return false;
    const page = new URL(origin);
    const scheme = this.#schemeOf(host);
    return page.host === host?.toLowerCase() && (scheme === 'any' || scheme === page.protocol);
  }

  #schemeOf(header: string | undefined): Scheme | undefined {
    if (this.#schemes.size === 0) return 'any';
    const host = header?.toLowerCase() ?? '';
    return this.#schemes.get(host) ?? this.#schemes.get(host.replace(/:\d+$/, ''));
  }
}
