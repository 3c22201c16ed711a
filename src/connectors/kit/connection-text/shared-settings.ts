import type { TlsMode } from '../config/tls.ts';
import { type ConfigDraft, readSwitch } from './config-draft.ts';
import type { ConnectionUrl, ReadSetting, SettingReader } from './connection-text.ts';
import { readHosts } from './url.ts';

/* What many connectors read: where a server is, who signs in, how TLS is meant. */

const SEVERAL_HOSTS = 'It names several hosts; the first one was taken, since the gateway connects to one.';

/** Puts the first of the hosts and its port into the config. */
function setHosts(draft: ConfigDraft, hosts: ConnectionUrl['hosts'], name: string): void {
  const [first] = hosts;
  if (hosts.length > 1) draft.ignore(name, SEVERAL_HOSTS);
  if (first) draft.set('host', first.host, name);
  if (first?.port !== undefined) draft.set('port', first.port, 'port');
}

/** Reads `db.example.com`, `db.example.com:5432`, `a,b` and a URL, of which the host counts. */
export const host: ReadSetting = (value, draft, name) => {
  if (value.startsWith('/') || value.startsWith('@'))
    return draft.ignore(name, 'It is a Unix socket, and the gateway connects by TCP alone.');
  const authority = value.replace(/^[a-z][a-z0-9+.-]{0,31}:\/\//i, '').split(/[/?#]/, 1)[0] ?? '';
  setHosts(draft, readHosts(authority), name);
};

/** The settings of a server with a host, a port, and a user with a password. */
export const serverSettings: Readonly<Record<string, SettingReader>> = {
  host,
  hostname: host,
  hostaddr: host,
  server: host,
  servername: host,
  serverhostname: host,
  datasource: host,
  address: host,
  port: 'port',
  portnumber: 'port',
  user: 'username',
  username: 'username',
  userid: 'username',
  uid: 'username',
  login: 'username',
  password: 'password',
  passwd: 'password',
  pass: 'password',
  pwd: 'password',
};

/** The same of one that also has databases. */
export const databaseSettings: Readonly<Record<string, SettingReader>> = {
  ...serverSettings,
  database: 'database',
  databasename: 'database',
  dbname: 'database',
  db: 'database',
  initialcatalog: 'database',
  defaultdatabase: 'database',
};

/** Puts user, password, host and port of a URL into the config. */
export function readServer(url: ConnectionUrl, draft: ConfigDraft): void {
  setHosts(draft, url.hosts, 'host');
  draft.set('username', url.username ?? '', 'username');
  draft.set('password', url.password ?? '', 'password');
}

/** Reads a URL of a database server: `scheme://user:password@host:port/database`. */
export function readDatabaseUrl(url: ConnectionUrl, draft: ConfigDraft): void {
  readServer(url, draft);
  setPath(url.path, ['database'], draft);
}

/** Puts the parts of a path into fields, one each. */
export function setPath(path: readonly string[], fields: readonly string[], draft: ConfigDraft): void {
  for (const [index, field] of fields.entries()) draft.set(field, path[index] ?? '', field);
  if (path.length > fields.length) draft.ignore('path', `It has more parts than ${fields.join(' and ')}.`);
}

/** Notes user name and password of a URL for a type that signs in otherwise. */
export function ignoreUser({ username }: ConnectionUrl, draft: ConfigDraft): void {
  if (username !== undefined) draft.ignore('username', 'The type does not sign in with user name and password.');
}

/** TLS as an http or https URL means it. */
export function readHttpScheme(url: ConnectionUrl, draft: ConfigDraft): void {
  if (url.scheme === 'http' || url.variant === 'http') draft.lowerTls('DISABLE');
}

/** The URL of a service without user, query and fragment, and with `path` behind its host. */
export function serviceUrl(url: ConnectionUrl, path: readonly string[]): string {
  const [first] = url.hosts;
  const name = first?.host.includes(':') ? `[${first.host}]` : (first?.host ?? '');
  const scheme = url.scheme === 'http' || url.variant === 'http' ? 'http' : 'https';
  const port = first?.port === undefined ? '' : `:${first.port}`;
  return `${scheme}://${name}${port}${path.map((part) => `/${encodedPart(part)}`).join('')}`;
}

/** Encodes again what was decoded, and leaves what a path may hold. Half of a character becomes a question mark. */
export function encodedPart(part: string): string {
  return encodeURIComponent(part.toWellFormed()).replace(/%(?:40|3A|2C|3B|24|26|2B|3D)/g, decodeURIComponent);
}

/** A setting that is known and says nothing that the gateway needs to be told. */
export const passOver: ReadSetting = () => undefined;

/** A setting that is known and cannot be taken. */
export function refused(reason: string): ReadSetting {
  return (_value, draft, name) => draft.ignore(name, reason);
}

/** Puts PEM text into a field. Where it stands in a file on the caller's machine, only its text helps. */
export function pem(path: string): ReadSetting {
  return (value, draft, name) => {
    if (value.includes('-----BEGIN ')) draft.set(path, value.replaceAll('\\n', '\n'), name);
    else if (value !== '' && value !== 'system') draft.ignore(name, `It names a file: give its text in ${path}.`);
  };
}

/** A switch that turns TLS off where it is off, and says nothing where it is on. */
export const tlsSwitch: ReadSetting = (value, draft, name) => {
  const isOn = readSwitch(value);
  if (isOn === false) draft.lowerTls('DISABLE');
  else if (isOn === undefined) draft.ignore(name, 'It says neither that TLS is on nor that it is off.');
};

/** A switch that turns TLS off where it is on: `skip-ssl`. */
export const noTlsSwitch: ReadSetting = (value, draft) => {
  if (readSwitch(value) === true) draft.lowerTls('DISABLE');
};

/** A switch for TLS whose off is `mode`, and whose on says nothing. */
export function lowersWhen(on: boolean, mode: TlsMode): ReadSetting {
  return (value, draft) => {
    if (readSwitch(value) === on) draft.lowerTls(mode);
  };
}

/** A setting that names a mode of TLS; a mode of null is tried first and may end in clear text. */
export function tlsModes(modes: Readonly<Record<string, TlsMode | null>>): ReadSetting {
  return (value, draft, name) => {
    const mode = Object.hasOwn(modes, value.toLowerCase()) ? modes[value.toLowerCase()] : undefined;
    if (mode === undefined) return draft.ignore(name, 'Its value is no mode of TLS that is known here.');
    if (mode !== null) return setTls(draft, mode);
    setTls(draft, 'REQUIRE');
    draft.ignore(
      name,
      'It falls back to clear text where the server has no TLS, which the gateway never does. It was read as REQUIRE; choose DISABLE for such a server.',
    );
  };
}

function setTls(draft: ConfigDraft, mode: TlsMode): void {
  if (mode === 'VERIFY_FULL') draft.set('tls.mode', mode);
  else draft.lowerTls(mode);
}

/** The names of certificates and keys, for each of which a text or a file is given. */
export const tlsFiles: Readonly<Record<string, SettingReader>> = {
  sslrootcert: pem('tls.caCertificate'),
  sslca: pem('tls.caCertificate'),
  tlscafile: pem('tls.caCertificate'),
  sslcert: pem('tls.clientCertificate'),
  sslkey: pem('tls.clientKey'),
  sslpassword: 'tls.clientKeyPassphrase',
};
