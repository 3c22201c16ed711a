import { isIPv6 } from 'node:net';
import type { ConnectionUrl, Setting, UrlHost } from './connection-text.ts';
import { readPairs } from './pairs.ts';

const SCHEME = /^(?<jdbc>jdbc:)?(?<scheme>[a-z][a-z0-9.-]{0,31})(?<variant>(?:[+:][a-z][a-z0-9_-]{0,31}){0,2}):\/\//i;
/** A JDBC URL without a host: `jdbc:firebolt:shop?account=…`. */
const WITHOUT_HOST = /^jdbc:(?<scheme>[a-z][a-z0-9-]{0,31}):(?!\/\/)(?<variant>)/i;
const HOST = /^(?:\[(?<v6>[0-9a-z:.%]*)\]|(?<name>[^:@\s[\]]*))(?::(?<port>\d*))?$/i;
/** The schemes whose URLs are written as the standard has them, so that an @ may stand in a path. */
const STRICT: ReadonlySet<string> = new Set(['http', 'https', 's3', 's3a', 's3n', 'gs']);
/** The schemes that take parameters behind semicolons without being JDBC's. */
const WITH_SEMICOLONS: ReadonlySet<string> = new Set(['sqlserver', 'mssql', 'databricks']);

/**
 * Takes a connection URL apart. In a password every character may stand as it is where its end can be told:
 * `postgres://app:a@b/c#d@host/shop`. Undefined when the text is no URL.
 */
export function readUrl(text: string): ConnectionUrl | undefined {
  const head = SCHEME.exec(text) ?? WITHOUT_HOST.exec(text);
  if (!head?.groups) return undefined;
  const hasHost = head[0].endsWith('//');
  const scheme = (head.groups.scheme ?? '').toLowerCase();
  let variant = (head.groups.variant ?? '').slice(1).toLowerCase();
  let rest = text.slice(head[0].length);
  const inner = /^(https?):\/\//i.exec(rest);
  if (inner?.[1]) {
    // as in jdbc:elasticsearch://https://search.example.com
    variant = inner[1].toLowerCase();
    rest = rest.slice(inner[0].length);
  }
  const isJdbc = /^jdbc:/i.test(text);
  const [before, pairs] = splitSemicolons(rest, isJdbc, scheme);
  const isHttp = scheme === 'http' || scheme === 'https';
  const hash = isHttp ? before.indexOf('#') : -1;
  const whole = hash < 0 ? before : before.slice(0, hash);
  const { userinfo, authority, tail } = hasHost
    ? splitAuthority(whole, STRICT.has(scheme))
    : { userinfo: undefined, authority: '', tail: `/${whole}` };
  const question = tail.indexOf('?');
  const path = question < 0 ? tail : tail.slice(0, question);
  const query = question < 0 ? '' : tail.slice(question + 1);
  const colon = userinfo?.indexOf(':') ?? -1;
  return {
    scheme,
    variant,
    username: userinfo === undefined ? undefined : percentDecoded(colon < 0 ? userinfo : userinfo.slice(0, colon)),
    password: userinfo === undefined || colon < 0 ? undefined : percentDecoded(userinfo.slice(colon + 1)),
    hosts: readHosts(authority),
    path: withoutEmptyEnds(path.split('/')).map(percentDecoded),
    endsInSlash: path.endsWith('/'),
    parameters: [...readQuery(query), ...pairs],
    rawPath: path,
    rawQuery: query,
    fragment: hash < 0 ? '' : percentDecoded(before.slice(hash + 1)),
  };
}

/** `host:1433;databaseName=shop;password={a;b}`: what stands before the semicolons, and what behind. */
function splitSemicolons(rest: string, isJdbc: boolean, scheme: string): [string, Setting[]] {
  const at = rest.indexOf(';');
  if (at < 0 || rest.slice(0, at).includes('?')) return [rest, []];
  const before = rest.slice(0, at);
  const [authority = ''] = before.split('/');
  const takes = isJdbc || (WITH_SEMICOLONS.has(scheme) && isHostList(authority));
  return takes ? [before, readPairs(rest.slice(at + 1))] : [rest, []];
}

interface Authority {
  readonly userinfo: string | undefined;
  readonly authority: string;
  /** The path and the query. */
  readonly tail: string;
}

function splitAuthority(rest: string, isStrict: boolean): Authority {
  const at = endOfUserinfo(rest, isStrict);
  const after = rest.slice(at + 1);
  const end = endOfAuthority(after);
  return { userinfo: at < 0 ? undefined : rest.slice(0, at), authority: after.slice(0, end), tail: after.slice(end) };
}

/** Where the @ stands that ends user name and password; -1 when there is none. */
function endOfUserinfo(rest: string, isStrict: boolean): number {
  const first = rest.indexOf('@');
  const end = endOfAuthority(rest);
  if (first < 0) return -1;
  if (isStrict) return first < end ? rest.lastIndexOf('@', end) : -1;
  const query = rest.indexOf('?');
  // an @ in the value of a parameter ends nothing, where all that stands before the query is in order
  const isInQuery = query >= 0 && query < first && rest.slice(query, first).includes('=');
  if (isInQuery && isHostList(rest.slice(0, end))) return -1;
  return rest.lastIndexOf('@', startOfQuery(rest, first));
}

/** Where the query starts behind an @: at the first ? that no other @ follows but in the value of a parameter. */
function startOfQuery(rest: string, from: number): number {
  for (let at = from; at >= 0; ) {
    const question = rest.indexOf('?', at);
    if (question < 0) break;
    at = rest.indexOf('@', question);
    if (at < 0 || rest.slice(question, at).includes('=')) return question;
  }
  return rest.length;
}

function endOfAuthority(rest: string): number {
  const end = rest.search(/[/?#]/);
  return end < 0 ? rest.length : end;
}

function isHostList(text: string): boolean {
  return text.split(',').every((each) => HOST.test(each));
}

/** The hosts of an authority, of which several stand between commas. */
export function readHosts(authority: string): UrlHost[] {
  if (authority === '') return [];
  return authority.split(',').map((text) => {
    if (isIPv6(text)) return { host: text, port: undefined };
    const found = HOST.exec(text)?.groups;
    if (found) return { host: percentDecoded(found.v6 ?? found.name ?? ''), port: found.port || undefined };
    const colon = text.lastIndexOf(':');
    return colon < 0
      ? { host: text, port: undefined }
      : { host: text.slice(0, colon), port: text.slice(colon + 1) || undefined };
  });
}

function readQuery(query: string): Setting[] {
  return query.split('&').flatMap((each) => {
    if (each === '') return [];
    const equals = each.indexOf('=');
    if (equals < 0) return [{ name: percentDecoded(each), value: 'true' }];
    return [{ name: percentDecoded(each.slice(0, equals)), value: percentDecoded(each.slice(equals + 1)) }];
  });
}

/** Decodes what is percent-encoded UTF-8, and leaves every other percent sign as it stands. */
export function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch (error) {
      if (error instanceof URIError) return run;
      throw error;
    }
  });
}

function withoutEmptyEnds(parts: string[]): string[] {
  let [from, to] = [0, parts.length];
  while (from < to && parts[from] === '') from += 1;
  while (to > from && parts[to - 1] === '') to -= 1;
  return parts.slice(from, to);
}
