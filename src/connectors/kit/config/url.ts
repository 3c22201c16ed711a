import { isIPv6 } from 'node:net';
import type { z } from 'zod';
import { hostFault, hostPattern, MAX_HOST, normalHost } from './host.ts';
import { issue } from './marks.ts';
import { misplacedSecret } from './open-fields.ts';
import { has, mayHave, type Rule } from './rules.ts';
import { anyCase, anyText } from './text.ts';
import type { Tls, TlsMode } from './tls.ts';

const URL_PARTS = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<authority>[^/]*)/i;
const AUTHORITY = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<name>[^:]+))(?::(?<port>\d+))?$/i;

/**
 * An http or https URL in normal form: the host is in lower case, and there is no slash at the end. A port is kept when
 * one was written, even the scheme's own, since the type's may be another. User info, query, fragment and every host
 * that a parser would have to interpret are refused. Mark it destination() where it is used, and see to plain http by
 * httpNeedsTlsDisabled.
 */
export function url(options: UrlOptions = {}): z.ZodString {
  const { protocols = ['https', 'http'], queryField, keepsPath = queryField !== undefined } = options;
  return (
    anyText(2048)
      .superRefine((value, context) => {
        const fault = urlFault(value, protocols, queryField);
        if (fault) context.addIssue({ code: 'custom', ...fault });
      })
      // this comes after the refinement, which judges what was written, not what a parser makes of it
      .overwrite((value) => (urlFault(value, protocols) ? value : normalUrl(value, keepsPath)))
      .meta({ pattern: urlPattern(protocols) })
  );
}

/** What a URL looks like as it is typed, for forms. The rules themselves are urlFault()'s. */
function urlPattern(protocols: readonly string[]): string {
  const name = hostPattern('(?::|/|$)');
  return `^(?:${protocols.map(anyCase).join('|')})://${name}(?::\\d{1,5})?(?:/(?:(?![?#\\\\])[!-~])*)?$`;
}

interface UrlOptions {
  readonly protocols?: readonly ('http' | 'https')[];
  /** The field that takes the query, when the URL is that of a file: the path is then kept as it stands. */
  readonly queryField?: string;
  /** True to keep the path as it stands, for a URL that is no base of others. */
  readonly keepsPath?: boolean;
}

function urlFault(
  value: string,
  protocols: readonly string[],
  queryField?: string,
): ReturnType<typeof issue> | undefined {
  const { scheme = '', authority = '' } = URL_PARTS.exec(value)?.groups ?? {};
  if (!protocols.includes(scheme.toLowerCase())) {
    return issue(
      'INVALID_FORMAT',
      `Give a URL that begins with ${protocols.map((each) => `${each}://`).join(' or ')}.`,
    );
  }
  if (!/^[\x21-\x7e]*$/.test(value) || value.includes('\\')) {
    return issue('INVALID_FORMAT', 'Give the URL without spaces, backslashes and letters beyond ASCII.');
  }
  const misplaced = misplacedSecret(value);
  if (misplaced) return misplaced;
  if (authority.includes('@'))
    return issue('INVALID_FORMAT', 'Give user name and password in their own fields, not in the URL.');
  if (queryField !== undefined && value.includes('?') && !value.includes('#')) {
    const message = `Give what stands behind the question mark in \`${queryField}\`, where it is kept as a secret.`;
    return issue('INVALID_FORMAT', message);
  }
  if (/[?#]/.test(value)) return issue('INVALID_FORMAT', 'Give the URL without a query and without a fragment.');
  const { v6, name, port: digits } = AUTHORITY.exec(authority)?.groups ?? {};
  const written = normalHost(v6 ?? name ?? '');
  if (written.length > MAX_HOST) return issue('TOO_LONG', `The URL’s host has at most ${MAX_HOST} characters.`);
  if ((v6 === undefined && isIPv6(written)) || hostFault(written)) {
    return issue('INVALID_FORMAT', 'The URL’s host must be a host name or an IP address in its usual spelling.');
  }
  if (digits !== undefined && !(Number(digits) >= 1 && Number(digits) <= 65535)) {
    return issue('OUT_OF_RANGE', 'The URL’s port must be from 1 to 65535.');
  }
  const parsed = URL.canParse(value) ? new URL(value).hostname : '';
  if (parsed !== (v6 === undefined ? written : `[${written}]`)) {
    return issue('INVALID_FORMAT', 'The URL’s host must be a host name or an IP address in its usual spelling.');
  }
  return undefined;
}

function normalUrl(value: string, keepsPath: boolean): string {
  const { protocol, hostname, pathname } = new URL(value);
  const port = writtenPort(value);
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${keepsPath ? pathname : withoutLastSlashes(pathname)}`;
}

/** The port in a URL's text. A parser hides it when it is the scheme's own. */
export function writtenPort(text: string): number | undefined {
  const digits = AUTHORITY.exec(URL_PARTS.exec(text)?.groups?.authority ?? '')?.groups?.port;
  return digits === undefined ? undefined : Number(digits);
}

/** The path that the requests to a url() begin with, without a slash at its end; empty when there is no URL. */
export function basePath(text: string | undefined): string {
  return text === undefined ? '' : withoutLastSlashes(new URL(text).pathname);
}

/** Looks at each character once, as no regular expression would that asks for the end. */
function withoutLastSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

/**
 * A refinement for an object with a url() field and a `tls` block: http:// needs tls.mode DISABLE, and https:// does
 * not go with it. A field that is left out is passed over.
 */
export function httpNeedsTlsDisabled<Field extends string>(
  value: { readonly [key in Field]?: string } & { readonly tls: { readonly mode: TlsMode } },
  context: z.RefinementCtx,
  field: Field,
): void {
  const text: string | undefined = value[field];
  if (text === undefined) return;
  const disabled = value.tls.mode === 'DISABLE';
  if (text.startsWith('http:') && !disabled) {
    const fault = issue('INVALID_COMBINATION', 'http:// is clear text: use https://, or set tls.mode to DISABLE.');
    context.addIssue({ code: 'custom', path: [field], ...fault });
  } else if (text.startsWith('https:') && disabled) {
    const fault = issue(
      'INVALID_COMBINATION',
      'tls.mode DISABLE goes with http:// alone: leave tls.mode out for https://.',
    );
    context.addIssue({ code: 'custom', path: ['tls', 'mode'], ...fault });
  }
}

/** The same for forms. */
export function clearTextRules(field: string): Rule[] {
  return [
    [has(field, { pattern: '^[Hh][Tt][Tt][Pp]:' }), has('tls', has('mode', { pattern: '^DISABLE$' }))],
    [has(field, { pattern: '^[Hh][Tt][Tt][Pp][Ss]:' }), mayHave('tls', mayHave('mode', { pattern: '^(?!DISABLE$)' }))],
  ];
}

/**
 * The target that a url() leads to. `defaultPort` counts when the URL names no port. Left out: the scheme's port does.
 */
export function targetOfUrl(
  text: string,
  tls: Tls,
  paths: { readonly hostPath: string; readonly portPath?: string; readonly defaultPort?: number },
) {
  const { protocol, hostname } = new URL(text);
  const secured = protocol === 'https:';
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: writtenPort(text) ?? paths.defaultPort ?? (secured ? 443 : 80),
    tls: secured ? tls : null,
    hostPath: paths.hostPath,
    portPath: paths.portPath ?? paths.hostPath,
  };
}
