import { z } from 'zod';
import { parseEgressAllow, parseEgressProxy } from './connectors/kit/network/addresses.ts';
import { type LimitSettings, type LimitVariable, limitVariables } from './errors/limits.ts';
import { isToken, looksLikeToken } from './modules/access/token.ts';
import { NETWORK_NAME_RULE, networkName } from './modules/environments/name.ts';
import { parseDatabaseUrl } from './platform/database/database.ts';
import { parsePairs } from './platform/telemetry/otlp-settings.ts';
import { parseAllowedOrigins } from './server/allowed-origins.ts';
import { isLoopback } from './server/same-origin.ts';

/** The settings of a gateway, from the environment variables. */
export interface Env {
  readonly host: string;
  readonly port: number;
  /** Undefined where nobody collects metrics. */
  readonly metricsPort: number | undefined;
  readonly databaseUrl: string;
  /** Whether a gateway refuses a database without its tables instead of making them. */
  readonly databaseMustExist: boolean;
  readonly keyFile: string;
  readonly keyCommand: string | undefined;
  readonly bootstrapToken: string | undefined;
  /** Entries as parseEgressAllow() gives them. */
  readonly egressAllow: readonly string[];
  readonly egressProxy: string | undefined;
  readonly executorIsolation: z.output<typeof isolation>;
  /** False where workers take the connection tests. */
  readonly takesTests: boolean;
  /** The network whose tests are taken; undefined for those of no network. */
  readonly network: string | undefined;
  readonly allowedHosts: readonly string[] | undefined;
  /** As parseAllowedOrigins() gives them. */
  readonly allowedOrigins: readonly string[] | undefined;
  readonly limits: LimitSettings;
  /** Undefined where people have no sign-in of their own. */
  readonly openId: OpenIdSettings | undefined;
  /** For how long the secrets of older versions are kept. */
  readonly revisionSecrets: { readonly days: number; readonly versions: number };
  /** For how many days connection tests are kept, and how many of a datastore's newest however old they are. */
  readonly testRetention: { readonly days: number; readonly perDatastore: number };
  /** Undefined where nobody collects traces. */
  readonly traces: TraceSettings | undefined;
  /** One of pino's levels; undefined to leave it to the command. */
  readonly logLevel: z.output<typeof logLevel> | undefined;
}

/** An OpenID provider, and the file of rules that say what its people may do. */
export interface OpenIdSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly rulesFile: string;
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
}

/** Where traces are sent, by OpenTelemetry's own variables. */
export interface TraceSettings {
  /** `…/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What is said of the process: its `service.name` and what else the operator says of it. */
  readonly resource: Readonly<Record<string, string>>;
  /** How many of the traces that begin here are recorded, from 0 to 1. */
  readonly ratio: number;
  /** For how long spans are gathered, in milliseconds. Left out: 5,000. */
  readonly gatherMs?: number;
}

/** `start` is for a developer's own machine: it listens on loopback alone, and lets tests reach private addresses. */
export type EnvMode = 'start' | 'serve';

/**
 * Settings that cannot be used. The message names each variable and what it must be, and holds no value but those of
 * EGRESS_ALLOW and ALLOWED_ORIGINS.
 */
export class EnvError extends Error {
  override readonly name = 'EnvError';
}

const PRIVATE_NETWORKS = ['127.0.0.0/8', '::1', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];

const logLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']);
const MAX_PORT = 65_535;
const isolation = z.enum(['none', 'environment']);
const yesOrNo = z.enum(['true', 'false']);
const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .pipe(z.number().max(MAX_PORT));
/** At most 253 characters: DNS has no longer names. */
const hostName = z.string().regex(/^[\w.:-]{1,253}$/);
const hosts = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((host) => host.trim())
      .filter((host) => host !== ''),
  )
  .pipe(z.array(z.string().regex(/^(?:https?:\/\/)?(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/)));

/** In characters: what Linux takes. */
const MAX_PATH = 4_096;

const FOREIGN_TOKEN =
  'begins like one of the gateway’s own tokens, dsg_, and is none: a letter is missing or wrong. Give a text that begins otherwise, or the whole token';

const MAX_LIMIT = 1_000_000;
const limit = z
  .string()
  .regex(/^[1-9]\d{0,6}$/)
  .transform(Number)
  .pipe(z.number().max(MAX_LIMIT))
  .optional();
const limits = Object.fromEntries(limitVariables.map((name) => [name, limit])) as Record<LimitVariable, typeof limit>;
const LIMIT_MEANING = `must be a whole number from 1 to ${MAX_LIMIT}`;

/** In characters. */
const MAX_OIDC_TEXT = 1_024;
const OIDC_OTHERS = ['OIDC_AUDIENCE', 'OIDC_RULES', 'OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET'] as const;

const MAX_KEPT = 1_000;
const kept = z
  .string()
  .regex(/^\d{1,4}$/)
  .transform(Number)
  .pipe(z.number().max(MAX_KEPT));
const keptAtLeastOne = kept.pipe(z.number().min(1));

/** In characters. */
const MAX_NAME = 255;
const COLLECTOR_MEANING = 'must be the http:// or https:// URL of what takes OTLP over HTTP, as http://127.0.0.1:4318';
const PAIRS_MEANING = 'must list name=value, separated by commas, with %XX for what is special in values';
const PROTOCOL_MEANING = 'must be http/json, at the port that a collector has for HTTP';
const OTEL_ENDPOINTS = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;
const SERVICE_NAME = 'datastore-gateway';
const collector = z.string().max(MAX_PATH).refine(isCollector);
const pairs = z.string().transform(readBy(parsePairs));
const headerPairs = pairs.refine((headers) => Object.values(headers).every((value) => /^[ -~]*$/.test(value)));
const sampler = z.enum(['parentbased_always_on', 'parentbased_traceidratio']);

const variables = z.object({
  HOST: hostName.default('127.0.0.1'),
  PORT: port.default(4000),
  METRICS_PORT: port.optional(),
  DATABASE_URL: z.string().transform(parsedBy(parseDatabaseUrl)).default('sqlite:./data/gateway.db'),
  DATABASE_MUST_EXIST: z.enum(['true', 'false']).optional(),
  KEY_FILE: z.string().max(MAX_PATH).default('./data/master.key'),
  KEY_COMMAND: z.string().max(MAX_PATH).regex(/\S/).optional(),
  BOOTSTRAP_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{32,512}$/)
    .refine((token) => !looksLikeToken(token) || isToken(token), { params: { reason: FOREIGN_TOKEN } })
    .optional(),
  EGRESS_ALLOW: z.string().transform(readBy(parseEgressAllow)).optional(),
  EGRESS_PROXY: z.string().transform(readBy(parseEgressProxy)).optional(),
  EXECUTOR_ISOLATION: isolation.default('none'),
  TAKE_TESTS: yesOrNo.default('true'),
  NETWORK: networkName.optional(),
  ALLOWED_HOSTS: hosts.optional(),
  ALLOWED_ORIGINS: z.string().transform(readBy(parseAllowedOrigins)).optional(),
  OIDC_ISSUER: z.string().max(MAX_PATH).refine(isIssuer).optional(),
  OIDC_AUDIENCE: z.string().max(MAX_OIDC_TEXT).optional(),
  OIDC_RULES: z.string().max(MAX_PATH).optional(),
  OIDC_CLIENT_ID: z.string().max(MAX_OIDC_TEXT).optional(),
  OIDC_CLIENT_SECRET: z.string().max(MAX_OIDC_TEXT).optional(),
  REVISION_SECRETS_DAYS: kept.default(30),
  REVISION_SECRETS_VERSIONS: kept.default(10),
  TEST_RETENTION_DAYS: keptAtLeastOne.default(30),
  TESTS_KEPT_PER_DATASTORE: keptAtLeastOne.default(20),
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: headerPairs.optional(),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: headerPairs.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: z.literal('http/json').optional(),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: z.literal('http/json').optional(),
  OTEL_SERVICE_NAME: z.string().max(MAX_NAME).optional(),
  OTEL_RESOURCE_ATTRIBUTES: pairs.optional(),
  OTEL_TRACES_SAMPLER: sampler.default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(?:0?\.\d{1,9}|[01](?:\.0+)?)$/)
    .transform(Number)
    .optional(),
  LOG_LEVEL: logLevel.optional(),
  ...limits,
});

const meaning: Record<keyof typeof variables.shape, string> = {
  HOST: 'must be an address or a host name of this machine',
  PORT: `must be a whole number from 0 to ${MAX_PORT}`,
  METRICS_PORT: `must be a whole number from 0 to ${MAX_PORT}`,
  DATABASE_URL: 'must be sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE',
  DATABASE_MUST_EXIST: 'must be true or false',
  KEY_FILE: 'must be the path of a file',
  KEY_COMMAND: 'must be a program and its arguments, parted by blanks',
  BOOTSTRAP_TOKEN: 'must be 32 to 512 characters: ASCII letters, digits and signs, no spaces',
  EGRESS_ALLOW: 'must list CIDRs, addresses or hosts, each with an optional :port, separated by commas',
  EGRESS_PROXY: 'must be http://host:port, with user:password@ before the host where the proxy asks for it',
  EXECUTOR_ISOLATION: `must be one of ${isolation.options.join(', ')}`,
  TAKE_TESTS: `must be one of ${yesOrNo.options.join(', ')}`,
  NETWORK: `must be ${NETWORK_NAME_RULE}`,
  ALLOWED_HOSTS:
    'must list host names, each with an optional :port and http:// or https:// before it, separated by commas',
  ALLOWED_ORIGINS: 'must list origins, as https://app.example, separated by commas',
  OIDC_ISSUER: 'must be the https:// URL of an OpenID provider, as it calls itself; http:// for one on this machine',
  OIDC_AUDIENCE: 'must be the audience that the provider’s tokens for this gateway have',
  OIDC_RULES: 'must be the path of a YAML file',
  OIDC_CLIENT_ID: 'must be the client that GraphiQL signs in as',
  OIDC_CLIENT_SECRET: 'must be the secret of OIDC_CLIENT_ID',
  REVISION_SECRETS_DAYS: `must be a whole number from 0 to ${MAX_KEPT}`,
  REVISION_SECRETS_VERSIONS: `must be a whole number from 0 to ${MAX_KEPT}`,
  TEST_RETENTION_DAYS: `must be a whole number from 1 to ${MAX_KEPT}`,
  TESTS_KEPT_PER_DATASTORE: `must be a whole number from 1 to ${MAX_KEPT}`,
  OTEL_EXPORTER_OTLP_ENDPOINT: COLLECTOR_MEANING,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: COLLECTOR_MEANING,
  OTEL_EXPORTER_OTLP_HEADERS: PAIRS_MEANING,
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: PAIRS_MEANING,
  OTEL_EXPORTER_OTLP_PROTOCOL: PROTOCOL_MEANING,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: PROTOCOL_MEANING,
  OTEL_SERVICE_NAME: `must be a text of ${MAX_NAME} characters at most`,
  OTEL_RESOURCE_ATTRIBUTES: PAIRS_MEANING,
  OTEL_TRACES_SAMPLER: `must be one of ${sampler.options.join(', ')}`,
  OTEL_TRACES_SAMPLER_ARG: 'must be a number from 0 to 1',
  LOG_LEVEL: `must be one of ${logLevel.options.join(', ')}`,
  ...(Object.fromEntries(limitVariables.map((name) => [name, LIMIT_MEANING])) as Record<LimitVariable, string>),
};

/** Reads a variable that a manifest or a command line names. An empty one counts as not set. */
export function readVariable(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** Reads the settings, here and nowhere else. @throws EnvError naming all that is wrong at once */
export function readEnv(mode: EnvMode, given: Readonly<Record<string, string | undefined>> = process.env): Env {
  // an empty variable counts as not set, but an empty EGRESS_ALLOW says that nothing more is allowed
  const traces = tracesOn(given);
  const set = Object.entries(given).filter(
    // whoever sets OpenTelemetry's for all that runs somewhere does not mean the gateway, unless it has an endpoint
    ([name, value]) => (value !== '' || name === 'EGRESS_ALLOW') && (traces || !name.startsWith('OTEL_')),
  );
  const parsed = variables.safeParse(Object.fromEntries(set));
  const faults = parsed.success ? [] : parsed.error.issues.map(faultOf);
  if (
    mode === 'start' &&
    !faults.some((fault) => fault.startsWith('HOST ')) &&
    !isLoopback(given.HOST || '127.0.0.1')
  ) {
    faults.push('HOST must be a loopback address for "start", which is for one machine; "serve" listens anywhere');
  }
  if (given.KEY_FILE && given.KEY_COMMAND) faults.push('KEY_COMMAND takes the place of KEY_FILE: set one of them');
  faults.push(...openIdFaults(given, faults));
  if (!parsed.success || faults.length > 0) throw new EnvError([...new Set(faults)].join('\n'));
  const { data } = parsed;
  return {
    host: data.HOST,
    port: data.PORT,
    metricsPort: data.METRICS_PORT,
    databaseUrl: data.DATABASE_URL,
    databaseMustExist: mustExist(mode, data),
    keyFile: data.KEY_FILE,
    keyCommand: data.KEY_COMMAND,
    bootstrapToken: data.BOOTSTRAP_TOKEN,
    egressAllow: data.EGRESS_ALLOW ?? (mode === 'start' ? PRIVATE_NETWORKS : []),
    egressProxy: data.EGRESS_PROXY,
    executorIsolation: data.EXECUTOR_ISOLATION,
    takesTests: data.TAKE_TESTS === 'true',
    network: data.NETWORK,
    allowedHosts: data.ALLOWED_HOSTS,
    allowedOrigins: data.ALLOWED_ORIGINS,
    limits: Object.fromEntries(
      limitVariables.flatMap((name) => (data[name] === undefined ? [] : [[name, data[name]]])),
    ),
    openId: openIdOf(data),
    revisionSecrets: { days: data.REVISION_SECRETS_DAYS, versions: data.REVISION_SECRETS_VERSIONS },
    testRetention: { days: data.TEST_RETENTION_DAYS, perDatastore: data.TESTS_KEPT_PER_DATASTORE },
    traces: tracesOf(data),
    logLevel: data.LOG_LEVEL,
  };
}

/**
 * Without a token nobody could use what `serve` has just made: unless it brings the first one along, a database is
 * expected.
 */
function mustExist(mode: EnvMode, { DATABASE_MUST_EXIST: told, BOOTSTRAP_TOKEN: token }: z.output<typeof variables>) {
  return told === undefined ? mode === 'serve' && token === undefined : told === 'true';
}

/** What is missing of an OpenID provider that is set in parts; it is told once the issuer is right. */
function openIdFaults(given: Readonly<Record<string, string | undefined>>, others: readonly string[]): string[] {
  if (others.some((fault) => fault.startsWith('OIDC_ISSUER '))) return [];
  const missing = (name: keyof typeof meaning, by: string) => `${name} ${meaning[name]}: ${by} needs it`;
  if (given.OIDC_ISSUER)
    return (['OIDC_AUDIENCE', 'OIDC_RULES'] as const)
      .filter((name) => !given[name])
      .map((name) => missing(name, 'OIDC_ISSUER'));
  const [other] = OIDC_OTHERS.filter((name) => given[name]);
  return other === undefined ? [] : [missing('OIDC_ISSUER', other)];
}

function openIdOf(data: z.output<typeof variables>): OpenIdSettings | undefined {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_RULES: rulesFile } = data;
  if (issuer === undefined || audience === undefined || rulesFile === undefined) return undefined;
  return { issuer, audience, rulesFile, clientId: data.OIDC_CLIENT_ID, clientSecret: data.OIDC_CLIENT_SECRET };
}

/** Whether spans are to be sent somewhere: OpenTelemetry says `true` in any case. */
function tracesOn(given: Readonly<Record<string, string | undefined>>): boolean {
  return given.OTEL_SDK_DISABLED?.toLowerCase() !== 'true' && OTEL_ENDPOINTS.some((name) => given[name]);
}

function tracesOf(data: z.output<typeof variables>): TraceSettings | undefined {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own, OTEL_EXPORTER_OTLP_ENDPOINT: base } = data;
  const url = own ?? (base === undefined ? undefined : `${base.replace(/\/$/, '')}/v1/traces`);
  if (url === undefined) return undefined;
  const { OTEL_SERVICE_NAME: name, OTEL_RESOURCE_ATTRIBUTES: said } = data;
  return {
    url,
    headers: { ...data.OTEL_EXPORTER_OTLP_HEADERS, ...data.OTEL_EXPORTER_OTLP_TRACES_HEADERS },
    resource: { 'service.name': SERVICE_NAME, ...said, ...(name === undefined ? {} : { 'service.name': name }) },
    ratio: data.OTEL_TRACES_SAMPLER === 'parentbased_traceidratio' ? (data.OTEL_TRACES_SAMPLER_ARG ?? 1) : 1,
  };
}

/** A collector's URL has no credentials in it, which are headers. */
function isCollector(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === '');
}

/** An issuer is a URL without query and fragment (OpenID Connect Discovery, section 3). */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, search, hash, username } = new URL(text);
  if (search !== '' || hash !== '' || username !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, '')));
}

function faultOf(issue: z.core.$ZodIssue): string {
  const name = String(issue.path[0]) as keyof typeof meaning;
  // these messages name the bad entry, which is no secret
  if ((name === 'EGRESS_ALLOW' || name === 'ALLOWED_ORIGINS') && issue.code === 'custom') return issue.message;
  const reason: unknown = issue.code === 'custom' ? issue.params?.reason : undefined;
  return `${name} ${typeof reason === 'string' ? reason : meaning[name]}`;
}

/** Makes a transform of a reader, whose error becomes an issue. */
function readBy<T>(read: (text: string) => T) {
  return (text: string, context: z.core.$RefinementCtx<string>): T => {
    try {
      return read(text);
    } catch (error) {
      const message = error instanceof Error ? error.message : 'it cannot be read';
      context.issues.push({ code: 'custom', message, input: text });
      return z.NEVER;
    }
  };
}

/** Makes a transform that leaves the text as it is, once the reader takes it. */
function parsedBy(read: (text: string) => unknown) {
  const check = readBy(read);
  return (text: string, context: z.core.$RefinementCtx<string>): string => {
    check(text, context);
    return text;
  };
}
