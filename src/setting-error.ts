import type { KeyPlace } from './platform/keys/key-source.ts';

/** A setting that the gateway is started with and that the system, or the database, does not let it work with. */
export interface Setting {
  readonly variable: 'HOST' | 'PORT' | 'METRICS_PORT' | 'DATABASE_URL' | 'KEY_FILE' | 'KEY_COMMAND' | 'OIDC_RULES';
  /** As it may be shown: without a password. */
  readonly value: string;
}

/** The setting that the keys come from. Of a command its program is shown: its arguments may be secret. */
export function keySetting({ keyFile, keyCommand }: KeyPlace): Setting {
  if (keyCommand === undefined) return { variable: 'KEY_FILE', value: keyFile };
  return { variable: 'KEY_COMMAND', value: keyCommand.trim().split(/\s+/, 1)[0] ?? '' };
}

/** Says which variable has to be mended, what its value is, what is wrong, and what to do. */
export class SettingError extends Error {
  override readonly name = 'SettingError';

  constructor({ variable, value }: Setting, reason: string, cause: unknown) {
    super(`${variable}=${value}: ${reason}`, { cause });
  }
}

/** Does what stands on a setting. What the system or the database says against it rejects with a SettingError. */
export async function withSetting<T>(setting: Setting, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explained(setting, error);
  }
}

/** What is wrong with these the gateway says itself. */
const WITH_OWN_WORDS: readonly Setting['variable'][] = ['KEY_FILE', 'KEY_COMMAND', 'OIDC_RULES'];

function explained(setting: Setting, error: unknown): unknown {
  if (error instanceof SettingError || !(error instanceof Error)) return error;
  const code = codeOf(error);
  const reason = code === undefined ? undefined : REASONS[setting.variable](code);
  if (reason !== undefined) return new SettingError(setting, `${reason} (${code})`, error);
  if (WITH_OWN_WORDS.includes(setting.variable))
    return code === undefined ? new SettingError(setting, error.message, error) : error;
  const words =
    setting.variable === 'DATABASE_URL' ? DATABASE_WORDS.find(([said]) => said.test(error.message)) : undefined;
  return words ? new SettingError(setting, words[1], error) : error;
}

/** The code of an error, or of what it was made of. */
function codeOf(error: Error): string | undefined {
  if ('code' in error && typeof error.code === 'string' && error.code !== 'UNAVAILABLE') return error.code;
  return error.cause instanceof Error ? codeOf(error.cause) : undefined;
}

/** What is wrong with the path of a file, by the system's code. */
const FILES: Readonly<Record<string, string>> = {
  EACCES: 'The gateway’s user may not read or write there. Give it the right, or choose another path.',
  EPERM: 'The gateway’s user may not read or write there. Give it the right, or choose another path.',
  EROFS: 'The disk is read-only. Choose a path on one that can be written.',
  ENOENT: 'There is no such file. Check the path, and from which folder the gateway is started.',
  ENOTDIR: 'A part of the path is a file, no folder. Check the path.',
  EEXIST: 'A part of the path is a file, no folder. Check the path.',
  EISDIR: 'A folder is there, no file. Add the file’s name to the path.',
  ENAMETOOLONG: 'The path is too long for this system. Choose a shorter one.',
  ELOOP: 'The links on the path lead in a circle. Check the path.',
  ENOSPC: 'The disk is full. Free some of it, or choose a path on another one.',
  EDQUOT: 'The user’s share of the disk is used up. Free some of it, or choose a path on another one.',
  EMFILE: 'The gateway may open no more files. Raise the limit (ulimit -n).',
};

/** What is wrong with a database, by the code of the system, of SQLite or of Postgres. */
const DATABASES: Readonly<Record<string, string>> = {
  ...FILES,
  ERR_INVALID_URL:
    'The URL cannot be read. Give postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for @ and %2F for / in the password.',
  ECONNREFUSED: 'Nothing listens there. Start the database, or check host and port.',
  ECONNRESET: 'The server closed the connection. Check host and port, and its log.',
  EPIPE: 'The server closed the connection. Check host and port, and its log.',
  ETIMEDOUT: 'Nothing answers there. Check host, port and firewalls.',
  EHOSTUNREACH: 'No network route leads there. Check the host.',
  ENETUNREACH: 'No network route leads there. Check the host.',
  ENOTFOUND: 'The host name does not resolve. Check its spelling.',
  EAI_AGAIN: 'The name server does not answer. Try again, or check the host name.',
  NO_TABLES:
    'No gateway has a database there, and none was made. Check it, and that its disk is there; for a new one run "datastore-gateway migrate" first.',
  SQLITE_CANTOPEN: 'The file cannot be opened. Check the path and the rights to its folder.',
  SQLITE_NOTADB: 'The file is no SQLite database. Check the path.',
  SQLITE_CORRUPT: 'The file is damaged. Restore it from a backup.',
  SQLITE_READONLY: 'The file, or its disk, is read-only. Give the gateway’s user the right to write it.',
  SQLITE_FULL: 'The disk is full. Free some of it.',
  SQLITE_HELD: 'Another gateway serves this file, and one at a time can. Stop it, or have both use Postgres.',
  SQLITE_BUSY: 'Another process holds the file. End it, or wait until it is done.',
  SQLITE_IOERR: 'The disk cannot be read or written. Check it, and the system’s log.',
  '28P01': 'The user name or the password is wrong.',
  '28000': 'The server does not let this user in. Check the user name, pg_hba.conf, and whether it takes TLS alone.',
  '3D000': 'There is no such database. Create it, or check its name.',
  '42501': 'The user lacks a right. Grant it CONNECT on the database, and USAGE and CREATE on its schema.',
  '53300': 'The server has no connection left. Close others, or raise max_connections.',
  '57P03': 'The server is starting or stopping. Try again in a moment.',
};

/** The same by the words of the driver, which gives its own errors no code. */
const DATABASE_WORDS: readonly (readonly [RegExp, string])[] = [
  [/timeout e(xpired|xceeded)|did not answer within/, 'Nothing answers there in time. Check host, port and firewalls.'],
  [/^Connection (terminated|ended)/, 'The server closed the connection. Check host and port, and its log.'],
  [/does not support SSL/, 'The server has no TLS. Turn it on there, or leave sslmode out of the URL.'],
  [/client password must be/, 'The server asks for a password. Give it in the URL.'],
  [/encoding UTF8$/, 'The database has another encoding than UTF8. Create one with it.'],
];

const NO_HOST = 'This machine does not have that address. Set HOST to one of its own, or to 0.0.0.0 for all of them.';
const HOSTS: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: NO_HOST,
  EINVAL: NO_HOST,
  ENOTFOUND: 'The name does not resolve. Set HOST to an address of this machine, or to 0.0.0.0 for all of them.',
  EAI_AGAIN: 'The name server does not answer. Set HOST to an address of this machine, or to 0.0.0.0 for all of them.',
};

const ports = (variable: Setting['variable']): Readonly<Record<string, string>> => ({
  EADDRINUSE: `The port is taken. Set ${variable} to another one.`,
  EACCES: `The gateway’s user may not listen on this port. Set ${variable} to one above 1023.`,
});

/** What OpenSSL and Node say of a certificate that they do not trust. */
const CERTIFICATE = /CERT|LEAF_SIGNATURE/;
const UNTRUSTED =
  'The server’s certificate is not trusted. Give its CA by sslrootcert in the URL, or the name that it is for.';

/** What is said of a code in the place of a setting; undefined where it says nothing about the setting. */
const REASONS: Readonly<Record<Setting['variable'], (code: string) => string | undefined>> = {
  KEY_FILE: (code) => FILES[code],
  KEY_COMMAND: () => undefined,
  OIDC_RULES: (code) => FILES[code],
  DATABASE_URL(code) {
    if (CERTIFICATE.test(code)) return UNTRUSTED;
    // SQLite says more behind its own codes: SQLITE_IOERR_WRITE
    return DATABASES[code] ?? DATABASES[/^SQLITE_[A-Z]+/.exec(code)?.[0] ?? ''];
  },
  HOST: (code) => HOSTS[code],
  PORT: (code) => ports('PORT')[code],
  METRICS_PORT: (code) => ports('METRICS_PORT')[code],
};
