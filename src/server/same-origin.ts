import { isIPv4, isIPv6 } from 'node:net';

/** The port that a Host header leaves out. */
const HTTP_PORT = 80;

/** True for hosts that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}

/**
 * Makes what judges Host headers. On a loopback address only this machine's own names with the right port are served,
 * so that a stranger's name that resolves to 127.0.0.1 (DNS rebinding) gets nothing. Elsewhere those are served that
 * the operator allows, and all when nothing is said.
 */
export function createHostCheck(
  listensOn: string,
  port: number,
  allowedHosts: readonly string[],
): (host: string | undefined) => boolean {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  if (isLoopback(listensOn)) {
    for (const name of ['localhost', '127.0.0.1', '[::1]', isIPv6(listensOn) ? `[${listensOn}]` : listensOn]) {
      allowed.add(`${name}:${port}`);
      if (port === HTTP_PORT) allowed.add(name);
    }
  }
  if (allowed.size === 0) return () => true;
  return (header) => {
    const host = header?.toLowerCase() ?? '';
    return allowed.has(host) || allowed.has(host.replace(/:\d+$/, ''));
  };
}

/** True when no page sent the request (it has no Origin header), or a page of this very host did. */
export function isSameOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  return new URL(origin).host === host?.toLowerCase();
}
