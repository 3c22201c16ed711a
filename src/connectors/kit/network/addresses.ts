import { isIP, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

/**
 * Where the gateway may connect to. It is plain data, because it goes to the executor over IPC. Public addresses are
 * always allowed unless they are `forbidden`; the never-addresses never are.
 */
export interface EgressPolicy {
  /**
   * The places that the operator allows, as parseEgressAllow gives them: CIDR, address or host name, each with an
   * optional `:port`.
   */
  readonly allow: readonly string[];
  /**
   * The gateway's own listeners and its own database. An unspecified address (`0.0.0.0`, `::`) stands for all of this
   * machine's.
   */
  readonly forbidden: readonly HostAndPort[];
  /** The operator's proxy, as parseEgressProxy gives it: `http://[user:password@]host:port`. */
  readonly proxy?: string;
}

/** Stands for every address of this machine among the forbidden places. */
export const ANY_OF_THIS_MACHINE = '0.0.0.0';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** What becomes of a connection. `private`: only the operator can open it, by EGRESS_ALLOW. `never`: nobody can. */
export type Verdict = 'allowed' | 'private' | 'never';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [Address, number];

interface AllowEntry {
  readonly network?: Network;
  readonly host?: string;
  readonly port?: number;
}

const NEVER = networks(
  '0.0.0.0/8', // unspecified, "this network"
  '169.254.0.0/16', // link-local; metadata of most clouds
  '168.63.129.16/32', // Azure's wire server
  '100.100.100.200/32', // Alibaba's metadata
  '192.0.0.0/24', // protocol assignments; 192.0.0.192 is Oracle's metadata
  '192.88.99.0/24', // the former 6to4 relays
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '100::/64', // discard
  '2001::/23', // protocol assignments (Teredo among them is judged by what it carries)
  'fd00:ec2::254/128', // AWS' metadata
  'fd20:ce::254/128', // Google's metadata
);

const PRIVATE = networks(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '127.0.0.0/8',
  '100.64.0.0/10', // shared: carriers, VPNs
  '192.0.2.0/24', // documentation, three of them
  '198.51.100.0/24',
  '203.0.113.0/24',
  '198.18.0.0/15', // benchmarks
  '::1/128',
  'fc00::/7',
  '2001:db8::/32', // documentation, two of them
  '3fff::/20',
);

const GLOBAL_UNICAST = networks('2000::/3');
const MAPPED = networks('::/96', '::ffff:0:0/96', '::ffff:0:0:0/96', '64:ff9b::/96');
const LOCAL_NAT64 = networks('64:ff9b:1::/48');
const SIX_TO_FOUR = networks('2002::/16');
const TEREDO = networks('2001::/32');

const METADATA_NAMES = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.azure.com',
  'metadata.oraclecloud.com',
  'metadata.tencentyun.com',
  'metadata.platformequinix.com',
  'metadata.packet.net',
  'instance-data',
  'instance-data.ec2.internal',
  'rancher-metadata',
]);
const LOOPBACK_NAMES = new Set(['localhost', 'localhost.localdomain', 'localhost6', 'ip6-localhost', 'ip6-loopback']);

/**
 * Judges a connection to this address and port. `viaHost` is the name that resolved to the address: an allow entry that
 * is a host name opens the addresses of just that name. Anything that is no IP address is `never`.
 */
export function judgeAddress(ip: string, port: number, policy: EgressPolicy, viaHost?: string): Verdict {
  const address = parseAddress(ip);
  if (!address) return 'never';
  const meant = embeddedAddresses(address) ?? [address];
  if (meant.some((each) => kindOf(each) === 'never' || isForbidden(each, port, policy))) return 'never';
  const entries = policy.allow.map(parseEntry);
  const open = (each: Address) =>
    kindOf(each) === 'allowed' || entries.some((entry) => opens(entry, each, port, viaHost));
  return meant.every(open) ? 'allowed' : 'private';
}

/**
 * Judges a connection to this host as far as that can be told without resolving it; an address is judged as such. For a
 * name, `allowed` means: go on, and judge what it resolves to.
 */
export function judgeHostName(host: string, port: number, policy: EgressPolicy): Verdict {
  const name = host.toLowerCase().replace(/\.+$/, '');
  if (isIP(name)) return judgeAddress(name, port, policy);
  if (METADATA_NAMES.has(name)) return 'never';
  if (policy.forbidden.some((each) => each.port === port && each.host.toLowerCase() === name)) return 'never';
  if (!LOOPBACK_NAMES.has(name) && !name.endsWith('.localhost')) return 'allowed';
  const verdicts = ['127.0.0.1', '::1'].map((ip) => judgeAddress(ip, port, policy, name));
  if (verdicts.includes('allowed')) return 'allowed';
  return verdicts.includes('private') ? 'private' : 'never';
}

/**
 * Judges a connection to this host that a bastion opens. The bastion resolves the name, and its private addresses are
 * not ours, so only what is never allowed is refused.
 */
export function judgeBehindTunnel(host: string, port: number): 'allowed' | 'never' {
  return judgeHostName(host, port, { allow: [], forbidden: [] }) === 'never' ? 'never' : 'allowed';
}

/** Tells whether the operator has allowed this very place: the name itself, or where a written address lies. */
export function isNamedByOperator(host: string, port: number, policy: Pick<EgressPolicy, 'allow'>): boolean {
  const address = parseAddress(host);
  return policy.allow.map(parseEntry).some((entry) => {
    if (address) return opens(entry, address, port, undefined);
    return entry.host === host.toLowerCase() && (entry.port === undefined || entry.port === port);
  });
}

/**
 * Reads the entries of EGRESS_ALLOW, which commas separate, into normal form: CIDR, address or host, each with an
 * optional `:port` (`[v6]:port`). Throws an Error that names the bad entry, or one that can never be allowed.
 */
export function parseEgressAllow(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim().toLowerCase());
  return parts.filter((part) => part !== '').map(normalEntry);
}

/** Reads the value of EGRESS_PROXY into normal form. Throws an Error that says what is wrong, without the password. */
export function parseEgressProxy(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new Error(
      'EGRESS_PROXY must be http://host:port, with user:password@ before the host where the proxy asks for it.',
    );
  }
  return url.href;
}

/**
 * An address in the one spelling that comparisons use, with an IPv4 address within an IPv6 one as IPv4. Undefined for
 * anything that is no address.
 */
export function normalAddress(ip: string): string | undefined {
  const address = parseAddress(ip);
  if (!address) return undefined;
  return (
    address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address
  ).toString();
}

function parseAddress(ip: string): Address | undefined {
  if (isIPv4(ip)) return ipaddr.IPv4.parse(ip);
  // only link-local addresses, which are never allowed, have a zone (fe80::1%eth0)
  if (isIPv6(ip) && !ip.includes('%')) return ipaddr.IPv6.parse(ip);
  return undefined;
}

function kindOf(address: Address): Verdict {
  // the never-ranges are looked at first: some metadata services sit within private ranges
  if (within(address, NEVER)) return 'never';
  if (within(address, PRIVATE)) return 'private';
  // the rest of IPv6 is reserved, link-local and multicast
  if (address instanceof ipaddr.IPv6 && !within(address, GLOBAL_UNICAST)) return 'never';
  return 'allowed';
}

/** The IPv4 addresses that an IPv6 address carries. Undefined when it carries none. */
function embeddedAddresses(address: Address): Address[] | undefined {
  if (address instanceof ipaddr.IPv4) return undefined;
  const bytes = address.toByteArray();
  const at = (...places: number[]) => new ipaddr.IPv4(places.map((place) => bytes[place] ?? 0));
  if (within(address, MAPPED)) {
    // :: and ::1 are themselves, not 0.0.0.0 and 0.0.0.1
    return bytes.slice(0, 15).every((byte) => byte === 0) ? undefined : [at(12, 13, 14, 15)];
  }
  if (within(address, SIX_TO_FOUR)) return [at(2, 3, 4, 5)];
  if (within(address, TEREDO)) {
    const client = new ipaddr.IPv4(bytes.slice(12).map((byte) => byte ^ 0xff));
    return [at(4, 5, 6, 7), client];
  }
  if (within(address, LOCAL_NAT64)) {
    // the translator chooses where the IPv4 address stands, so every place counts that does not begin with a zero
    const places = [at(6, 7, 9, 10), at(7, 9, 10, 11), at(9, 10, 11, 12), at(12, 13, 14, 15)];
    const used = places.filter((each) => each.octets[0] !== 0);
    return used.length > 0 ? used : [at(12, 13, 14, 15)];
  }
  return undefined;
}

function isForbidden(address: Address, port: number, policy: EgressPolicy): boolean {
  return policy.forbidden.some((each) => {
    if (each.port !== port) return false;
    const own = normalAddress(each.host);
    if (own === ANY_OF_THIS_MACHINE || own === '::') return isOfThisMachine(address);
    return own === address.toString();
  });
}

function isOfThisMachine(address: Address): boolean {
  if (within(address, networks('127.0.0.0/8', '::1/128'))) return true;
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return own.some((each) => normalAddress(each.address) === address.toString());
}

function opens(entry: AllowEntry, address: Address, port: number, viaHost: string | undefined): boolean {
  if (entry.port !== undefined && entry.port !== port) return false;
  if (entry.network) return within(address, [entry.network]);
  return entry.host !== undefined && entry.host === viaHost?.toLowerCase();
}

function within(address: Address, ranges: readonly Network[]): boolean {
  return ranges.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
}

function networks(...cidrs: string[]): Network[] {
  return cidrs.map((cidr) => ipaddr.parseCIDR(cidr));
}

const ENTRY =
  /^(?:\[(?<bracketed>[0-9a-f:./]+)\](?::(?<port6>\d+))?|(?<v6>[0-9a-f]*:[0-9a-f.]*:[0-9a-f:./]*)|(?<name>[^:[\]]+)(?::(?<port>\d+))?)$/;
const HOST_NAME = /^(?!.*\.\.)[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;

function splitEntry(entry: string): { what: string; port: number | undefined } | undefined {
  const parts = ENTRY.exec(entry)?.groups;
  if (!parts) return undefined;
  const digits = parts.port6 ?? parts.port;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  return { what: parts.bracketed ?? parts.v6 ?? parts.name ?? '', port };
}

function normalEntry(entry: string): string {
  const split = splitEntry(entry);
  const what = split && normalTarget(split.what);
  if (!split || what === undefined) {
    throw new Error(`EGRESS_ALLOW: "${entry}" is no CIDR, address or host name, with an optional port after a colon.`);
  }
  const empty: EgressPolicy = { allow: [], forbidden: [] };
  if (!what.includes('/') && judgeHostName(what, split.port ?? 1, empty) === 'never') {
    throw new Error(
      `EGRESS_ALLOW: "${entry}" can never be allowed: it is a metadata, link-local, multicast or reserved address.`,
    );
  }
  if (split.port === undefined) return what;
  return what.includes(':') ? `[${what}]:${split.port}` : `${what}:${split.port}`;
}

function normalTarget(what: string): string | undefined {
  const address = normalAddress(what);
  if (address !== undefined) return address;
  if (what.includes('/')) return normalCidr(what);
  const last = what.slice(what.lastIndexOf('.') + 1);
  return HOST_NAME.test(what) && !/^(\d+|0x[0-9a-f]*)$/.test(last) ? what : undefined;
}

function normalCidr(cidr: string): string | undefined {
  const [base = '', length = '', ...rest] = cidr.split('/');
  const address = parseAddress(base);
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!address || rest.length > 0 || !(bits <= address.toByteArray().length * 8) || embeddedAddresses(address))
    return undefined;
  if (NEVER.some((range) => range[1] <= bits && within(address, [range]))) return undefined;
  const Version = address instanceof ipaddr.IPv4 ? ipaddr.IPv4 : ipaddr.IPv6;
  const normal = `${address.toString()}/${bits}`;
  // 10.0.0.5/8 would open far more than it looks like
  return Version.networkAddressFromCIDR(normal).toString() === address.toString() ? normal : undefined;
}

function parseEntry(entry: string): AllowEntry {
  const split = splitEntry(entry);
  if (!split) throw new Error('An entry of the egress policy was not made by parseEgressAllow.');
  const { what, port } = split;
  if (what.includes('/')) return { network: ipaddr.parseCIDR(what), ...(port === undefined ? {} : { port }) };
  const address = parseAddress(what);
  const place = address ? { network: [address, address.toByteArray().length * 8] as const } : { host: what };
  return { ...place, ...(port === undefined ? {} : { port }) };
}
