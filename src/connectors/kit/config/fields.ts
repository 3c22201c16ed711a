import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import type { IssueCode } from '../../../errors.ts';

/** What a field of a config is besides its type. Marks follow a schema through .optional(), .default() and .meta(). */
export interface FieldMark {
  /** Sealed at rest, never read back. */
  readonly secret?: boolean;
  /** Decides where secrets are sent: true, or whether a change from one value to another sends them anywhere less safe. */
  readonly destination?: true | ((before: unknown, after: unknown) => boolean);
  /** The GraphQL name of an enum or a block: TlsMode, Tls. */
  readonly graphqlName?: string;
  /** The block is a choice: exactly one of its fields is given. `outputName` is the object type that it is read as. */
  readonly oneOf?: { readonly outputName: string };
  /** A draft may be tested without it, but not stored. */
  readonly neededToSave?: boolean;
}

export const fieldMarks = z.registry<FieldMark>();

/** Marks a field in place as a secret: write-only in the API, sealed at rest. */
export function secret<T extends z.ZodType>(schema: T): T {
  return mark(schema.meta({ ...schema.meta(), writeOnly: true }) as T, { secret: true });
}

/**
 * Marks a field in place as one that decides where secrets are sent. When it changes, the stored secrets must be given again.
 * `changed` narrows that to changes that matter (a stronger TLS mode does not).
 */
export function destination<T extends z.ZodType>(
  schema: T,
  changed?: (before: z.output<T>, after: z.output<T>) => boolean,
): T {
  return mark(schema, { destination: (changed as FieldMark['destination']) ?? true });
}

/** Gives an enum or a block its GraphQL name. */
export function named<T extends z.ZodType>(graphqlName: string, schema: T): T {
  return mark(schema, { graphqlName });
}

/** Marks a field in place as one that a draft may be tested without, but not stored. */
export function neededToSave<T extends z.ZodType>(schema: T): T {
  return mark(schema, { neededToSave: true });
}

function mark<T extends z.ZodType>(schema: T, added: FieldMark): T {
  const copy = schema.clone(schema.def, { parent: true }) as T;
  fieldMarks.add(copy, { ...fieldMarks.get(schema), ...added });
  return copy;
}

/** A refinement's issue with one of the stable issue codes, for `ctx.addIssue` and `.refine`. */
export function issue(code: IssueCode, message: string): { message: string; params: { code: IssueCode } } {
  return { message, params: { code } };
}

const HOST_SHAPE = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;
const MAX_HOST = 253;

/**
 * A host name or an IP address, in normal form (lower case; IPv6 without brackets). Spellings that only some parsers read as an
 * address (`127.1`, `0x7f.1`, `2130706433`, a trailing dot, full-width letters, percent signs) are refused, never interpreted.
 */
export function host(): z.ZodString {
  return z
    .string()
    .min(1)
    .max(MAX_HOST)
    .overwrite((value) => normalHost(value.replace(/^\[([0-9a-fA-F:.]+)\]$/, '$1')))
    .superRefine((value, context) => {
      const fault = hostFault(value);
      if (fault) context.addIssue({ code: 'custom', ...fault });
    });
}

/** Lower case, of ASCII letters alone (`K`, the Kelvin sign, is no k); IPv6 in its one short spelling. */
function normalHost(value: string): string {
  const lower = value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return isIPv6(lower) && !lower.includes('%') ? new URL(`http://[${lower}]`).hostname.slice(1, -1) : lower;
}

function hostFault(value: string): ReturnType<typeof issue> | undefined {
  if (isIPv6(value) && !value.includes('%')) return undefined;
  if (value.includes('://'))
    return issue('URL_IN_HOST', `Give the host alone. This URL would fill ${fieldsOfUrl(value)}.`);
  if (value.includes('/') || value.includes('\\')) return issue('INVALID_FORMAT', 'A host holds no path.');
  if (!HOST_SHAPE.test(value) || value.includes('..')) {
    return issue('INVALID_FORMAT', 'Give a host name or an IP address, without user, port or spaces.');
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

const URL_PARTS = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<authority>[^/]*)/i;
const AUTHORITY = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<name>[^:]+))(?::(?<port>\d+))?$/i;

/**
 * An http or https URL in normal form: lower-case host, no slash at the end; a port is kept where one was written, the scheme's own
 * too, since the type's may be another. User info, query, fragment and every host that a parser would have to interpret are refused. Mark it destination() where it is used, and see to
 * plain http by httpNeedsTlsDisabled.
 */
export function url(options: UrlOptions = {}): z.ZodString {
  const { protocols = ['https', 'http'], queryField } = options;
  return (
    z
      .string()
      .min(1)
      .max(2048)
      .superRefine((value, context) => {
        const fault = urlFault(value, protocols, queryField);
        if (fault) context.addIssue({ code: 'custom', ...fault });
      })
      // after the refinement, which judges what was written, not what a parser makes of it
      .overwrite((value) => (urlFault(value, protocols) ? value : normalUrl(value, queryField !== undefined)))
  );
}

interface UrlOptions {
  readonly protocols?: readonly ('http' | 'https')[];
  /** The URL is that of a file: its path is kept as it stands, and its query has this field. */
  readonly queryField?: string;
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
  if (authority.includes('@'))
    return issue('INVALID_FORMAT', 'Give user name and password in their own fields, not in the URL.');
  if (queryField !== undefined && /^[^#]*\?[^#]*$/.test(value)) {
    const message = `Give what stands behind the question mark in \`${queryField}\`, where it is kept as a secret.`;
    return issue('INVALID_FORMAT', message);
  }
  if (/[?#]/.test(value)) return issue('INVALID_FORMAT', 'Give the URL without a query and without a fragment.');
  const { v6, name, port: digits } = AUTHORITY.exec(authority)?.groups ?? {};
  const written = normalHost(v6 ?? name ?? '');
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
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${keepsPath ? pathname : pathname.replace(/\/+$/, '')}`;
}

/** The port in a URL's text: a parser hides it when it is the scheme's own. */
function writtenPort(text: string): number | undefined {
  const digits = AUTHORITY.exec(URL_PARTS.exec(text)?.groups?.authority ?? '')?.groups?.port;
  return digits === undefined ? undefined : Number(digits);
}

/**
 * A refinement for an object with a url() field and a `tls` block: http:// needs tls.mode DISABLE, and https:// does not go with it.
 * A field that is left out is passed over.
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

/** Where a url() leads: a Target. `defaultPort` stands in where the URL names no port; left out, it is the scheme's. */
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

/** A name or a password as a wire protocol carries it: without the zero byte that ends it there. */
export function text(maxLength: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[^\0]*$/);
}

export function port(defaultPort: number): z.ZodDefault<z.ZodInt> {
  return destination(z.int().min(1).max(65535))
    .default(defaultPort)
    .meta({ title: 'Port', description: `TCP port, 1 to 65535.` });
}

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s:,-]+-----END \1-----/;

/** PEM text of a certificate or a key, never a path. */
export function pem(label: RegExp, what: string): z.ZodString {
  return (
    z
      .string()
      .min(1)
      .max(65_536)
      // a PEM copied out of a JSON file has its line breaks written as \\n
      .overwrite((text) => text.replaceAll('\\n', '\n'))
      .refine(
        (text) => label.test(PEM_BLOCK.exec(text)?.[1] ?? ''),
        issue('INVALID_FORMAT', `Give ${what} as PEM text, from -----BEGIN to -----END.`),
      )
  );
}

const TLS_STRENGTH = ['DISABLE', 'REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'] as const;
export type TlsMode = (typeof TLS_STRENGTH)[number];

const tlsMode = destination(
  named('TlsMode', z.enum(TLS_STRENGTH)),
  (before, after) => TLS_STRENGTH.indexOf(after) < TLS_STRENGTH.indexOf(before),
);

const tlsFields = named(
  'Tls',
  z.object({
    mode: tlsMode.default('VERIFY_FULL').meta({
      title: 'TLS mode',
      description:
        'DISABLE: clear text. REQUIRE: encrypted, any certificate. VERIFY_CA: signed by a trusted CA. VERIFY_FULL: and for this host.',
    }),
    caCertificate: destination(pem(/CERTIFICATE$/, 'the CA certificate'))
      .optional()
      .meta({ title: 'CA certificate', description: 'PEM. Trusted instead of the public CAs.' }),
    clientCertificate: pem(/CERTIFICATE$/, 'the client certificate')
      .optional()
      .meta({ title: 'Client certificate', description: 'PEM, with its chain.' }),
    clientKey: secret(pem(/PRIVATE KEY$/, 'the client key'))
      .optional()
      .meta({ title: 'Client key', description: 'PEM, not encrypted. Secret.' }),
    serverName: destination(host())
      .optional()
      .meta({ title: 'Server name', description: 'The name in the certificate, where it is not the host.' }),
  }),
);

/** The shared `tls` block. Left out: VERIFY_FULL with the public CAs. */
export function tls() {
  return tlsFields
    .superRefine((value, context) => {
      if (Boolean(value.clientCertificate) !== Boolean(value.clientKey)) {
        const missing = value.clientKey ? 'clientCertificate' : 'clientKey';
        context.addIssue({
          code: 'custom',
          path: [missing],
          ...issue('INVALID_COMBINATION', 'clientCertificate and clientKey go together: give both or none.'),
        });
      }
    })
    .prefault({})
    .meta({ title: 'TLS' });
}

export type Tls = z.output<typeof tlsFields>;

/**
 * A key or token that travels in an HTTP header: visible ASCII without spaces, `maxLength` characters at most.
 * Blanks around it, which copying often brings along, are taken off.
 */
export function headerText(maxLength: number): z.ZodString {
  return z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .refine(
      (value) => /^[\x21-\x7e]*$/.test(value),
      issue('INVALID_FORMAT', 'Give it without spaces, line breaks and letters beyond ASCII.'),
    );
}

/** The universe domain of the public Google cloud. */
export const GOOGLE_DOMAIN = 'googleapis.com';

const serviceAccountFields = named(
  'ServiceAccount',
  z.object({
    type: z
      .string()
      .max(64)
      .refine(
        (type) => type === 'service_account',
        issue('INVALID_VALUE', 'Only keys of the type service_account are taken.'),
      )
      .default('service_account')
      .meta({ title: 'Type', description: 'Always service_account: other kinds of Google credentials are refused.' }),
    projectId: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta({ title: 'Project id', description: 'The project of the account. Example: my-project-123' }),
    privateKeyId: z
      .string()
      .max(128)
      .regex(/^[A-Za-z0-9_-]+$/)
      .optional()
      .meta({ title: 'Private key id', description: 'Tells Google which key of the account signs. Hexadecimal.' }),
    privateKey: secret(pem(/^(RSA )?PRIVATE KEY$/, 'the private key'))
      .optional()
      .meta({ title: 'Private key', description: 'PEM, RSA, not encrypted. Secret.' }),
    clientEmail: z
      .string()
      .max(320)
      .regex(/^[^\s@]+@[^\s@]+$/)
      .meta({
        title: 'Client email',
        description: 'Name of the account. Example: reader@my-project-123.iam.gserviceaccount.com',
      }),
    clientId: z
      .string()
      .max(64)
      .regex(/^\d+$/)
      .optional()
      .meta({ title: 'Client id', description: 'Digits. Not used to sign in.' }),
    authUri: z
      .string()
      .max(512)
      .optional()
      .meta({ title: 'Auth URI', description: 'As in the key file. Never called; only Google’s own is taken.' }),
    tokenUri: z
      .string()
      .max(512)
      .optional()
      .meta({ title: 'Token URI', description: 'As in the key file. Never called; only Google’s own is taken.' }),
    authProviderX509CertUrl: z.string().max(512).optional().meta({
      title: 'Auth provider certificate URL',
      description: 'As in the key file. Never called; only Google’s own is taken.',
    }),
    clientX509CertUrl: z.string().max(512).optional().meta({
      title: 'Client certificate URL',
      description: 'As in the key file. Never called; only Google’s own is taken.',
    }),
    universeDomain: destination(
      host().refine((name) => /\.[a-z][a-z0-9-]+$/.test(name), issue('INVALID_FORMAT', 'Give a domain name.')),
    )
      .optional()
      .meta({
        title: 'Universe domain',
        description: 'The domain of the Google cloud that the account belongs to. Left out: googleapis.com.',
      }),
  }),
);

/** Whether a URL of a key file is one that Google itself writes there; `domain` is the account's universe. */
const googleUrls: Record<string, (url: string, domain: string) => boolean> = {
  authUri: (url) => url === 'https://accounts.google.com/o/oauth2/auth',
  tokenUri: (url, domain) =>
    url === `https://oauth2.${domain}/token` ||
    url === 'https://oauth2.googleapis.com/token' ||
    url === 'https://accounts.google.com/o/oauth2/token',
  authProviderX509CertUrl: (url, domain) =>
    url === `https://www.${domain}/oauth2/v1/certs` || url === 'https://www.googleapis.com/oauth2/v1/certs',
  clientX509CertUrl: (url, domain) =>
    [domain, GOOGLE_DOMAIN].some((name) => {
      const prefix = `https://www.${name}/robot/v1/metadata/x509/`;
      return url.startsWith(prefix) && /^[A-Za-z0-9%._@+-]+$/.test(url.slice(prefix.length));
    }),
};

/** A Google service-account key, the fields of its JSON file in camelCase. Other URLs than Google's own are refused. */
export function serviceAccount() {
  return serviceAccountFields.superRefine((value, context) => {
    for (const [key, isGoogles] of Object.entries(googleUrls)) {
      const url = value[key as keyof typeof value];
      if (url !== undefined && !isGoogles(url, value.universeDomain ?? GOOGLE_DOMAIN)) {
        context.addIssue({
          code: 'custom',
          path: [key],
          ...issue('INVALID_VALUE', 'Only the URL that Google’s own key files hold is taken.'),
        });
      }
    }
  });
}

export type ServiceAccount = z.output<typeof serviceAccountFields>;
