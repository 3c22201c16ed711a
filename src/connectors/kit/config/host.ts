import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { destination, issue } from './marks.ts';
import { anyText } from './text.ts';

const HOST_SHAPE = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const FOREIGN_LETTER = /[^\P{L}A-Za-z]/u;
const HOST_RULE = 'Give a host name or an IP address, without user, port or spaces.';
const PUNYCODE = 'Write a name with letters beyond ASCII as DNS has it: xn--bcher-kva.example for bücher.example.';
const NAME_PART = '[A-Za-z0-9_.-]*';
/** The longest host name that DNS has, in characters. */
export const MAX_HOST = 253;

/**
 * A host name or an IP address in normal form: lower case, IPv6 without brackets, without the slash that pages show
 * behind it. Spellings that only some parsers read as an address (`127.1`, `0x7f.1`, `2130706433`, a trailing dot,
 * full-width letters, percent signs) are refused, never interpreted.
 */
export function host(): z.ZodString {
  return anyText(MAX_HOST)
    .overwrite((value) => normalHost(value.replace(/^([^/\\]+)\/$/, '$1').replace(/^\[([0-9a-fA-F:.]+)\]$/, '$1')))
    .superRefine((value, context) => {
      const fault = hostFault(value);
      if (fault) context.addIssue({ code: 'custom', ...fault });
    })
    .meta({ pattern: `^(?:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|${hostPattern('/?$')})/?$` });
}

/**
 * What a host looks like as it is typed, for forms; IPv6 in brackets. `end` is the pattern of what comes after it. The
 * rules themselves are hostFault()'s.
 */
export function hostPattern(end: string): string {
  const notAnAddress = `(?!${NAME_PART}\\.\\.)(?!(?:${NAME_PART}\\.)?(?:\\d+|0[xX][0-9A-Fa-f]*)${end})`;
  const name = `${notAnAddress}[A-Za-z0-9_](?:${NAME_PART}[A-Za-z0-9_])?`;
  return `(?:\\[[0-9A-Fa-f:.]+\\]|(?:${OCTET}\\.){3}${OCTET}|${name})`;
}

/**
 * The host with its ASCII letters in lower case (`K`, the Kelvin sign, is no k), and IPv6 in its one short spelling.
 */
export function normalHost(value: string): string {
  const lower = value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return isIPv6(lower) && !lower.includes('%') ? new URL(`http://[${lower}]`).hostname.slice(1, -1) : lower;
}

export function hostFault(value: string): ReturnType<typeof issue> | undefined {
  if (isIPv6(value) && !value.includes('%')) return undefined;
  if (value.includes('://'))
    return issue('URL_IN_HOST', `Give the host alone. This URL would fill ${fieldsOfUrl(value)}.`);
  if (/^[^/\\]+\\[^/\\]+$/.test(value))
    return issue(
      'INVALID_FORMAT',
      'A host holds no instance: leave out its name and give the instance’s port instead.',
    );
  if (value.includes('/') || value.includes('\\')) return issue('INVALID_FORMAT', 'A host holds no path.');
  if (!HOST_SHAPE.test(value) || value.includes('..')) {
    return issue('INVALID_FORMAT', FOREIGN_LETTER.test(value) ? PUNYCODE : HOST_RULE);
  }
  const last = value.slice(value.lastIndexOf('.') + 1);
  if (/^(\d+|0x[0-9a-f]*)$/.test(last) && !isIPv4(value)) {
    return issue('INVALID_FORMAT', 'Write an IPv4 address as four decimal numbers.');
  }
  return undefined;
}

/** The names of the fields that the parts of a URL belong in; never its values. */
function fieldsOfUrl(value: string): string {
  const [, authority = '', rest = ''] = /^[^:]*:\/\/([^/?#]*)(.*)$/s.exec(value) ?? [];
  const user = authority.includes('@') ? authority.slice(0, authority.lastIndexOf('@')) : '';
  const fields = ['host'];
  if (/:\d+$/.test(authority)) fields.push('port');
  if (user) fields.push('username');
  if (user.includes(':')) fields.push('password');
  if (/^\/[^?#]/.test(rest)) fields.push('database');
  if (/[?&]ssl/.test(rest)) fields.push('tls');
  return new Intl.ListFormat('en').format(fields);
}

export function port(defaultPort: number): z.ZodDefault<z.ZodInt> {
  return destination(z.int().min(1).max(65535))
    .default(defaultPort)
    .meta({ title: 'Port', description: 'The TCP port, 1 to 65535.' });
}
