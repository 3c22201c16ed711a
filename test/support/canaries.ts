import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import {
  type ConfigValues,
  dropNulls,
  fieldsOf,
  leavesOf,
  secretPathsOf,
  setAt,
  valueAt,
} from '../../src/connectors/kit/config/shape.ts';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import { fieldIssue } from '../../src/errors/field-issues.ts';
import { CERTIFICATE } from './inputs.ts';
import { madeUpBytes } from './random.ts';

/* Values that must never be seen again, put into every secret that a type has, and the search for them. */

/** Begins every canary that a field takes as it is; other characters in each encoding. No real text holds it. */
const MARKER = 'Cn4ry"\\/+%7&Zq';
/** For fields that take letters and digits alone, and for peers whose names are shown when they look like names. */
const PLAIN_MARKER = 'Cn4ryPl41nZq7xW';
const SMALL_MARKER = 'cn4rysm4llzq7xw';
const markers = [MARKER, PLAIN_MARKER, SMALL_MARKER];

/** Two are enough to tell an old key from a new one, and making them costs time. */
const keys = Array.from({ length: 2 }, () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
);
let given = 0;

const pkcs8Of = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const [longKey, shortKey] = [
  pkcs8Of(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  pkcs8Of(generateKeyPairSync('ed25519').privateKey),
];
/**
 * Private keys as somebody may put them into a field that is read back; the second fits into most that hold one line.
 */
export const misplacedKeys = [longKey, shortKey.trim().replaceAll('\n', ' ')];
/** What must not be seen again of them. */
export const misplacedSecrets = [longKey, shortKey.split('\n')[1] ?? ''];

const rest = () => madeUpBytes(9).toString('hex');
const texts = [() => `${MARKER}${rest()}`, () => `${PLAIN_MARKER}${rest()}`, () => `${SMALL_MARKER}${rest()}`];

/** A value of a form that a secret field may take, another one than the last. */
const newValue = {
  text: () => texts[given++ % texts.length]?.() ?? '',
  plain: () => `${PLAIN_MARKER}${rest()}`,
  pem: () => keys[given++ % keys.length] ?? '',
} as const;

/** A text that is no secret of a config, and must not be seen again either. */
export const newCanary = newValue.plain;

export type CanaryForm = keyof typeof newValue;

/** A config that is right, with canaries at some of its secrets. */
export interface CanaryConfig {
  readonly connector: Connector;
  readonly values: ConfigValues;
  readonly paths: readonly string[];
  /** A patch that puts fresh canaries in the place of these. */
  freshPatch(): ConfigValues;
  /** The same config with fresh canaries. */
  fresh(): ConfigValues;
}

const TUNNEL = {
  host: 'bastion.example',
  username: 'jump',
  hostKeyFingerprint: `SHA256:${'A'.repeat(43)}`,
};

/** What a field of this name takes that is needed beside a secret. */
const companions: Readonly<Record<string, unknown>> = {
  clientCertificate: CERTIFICATE,
  clientId: 'client-id',
  username: 'user',
  clientEmail: 'reader@my-project.iam.gserviceaccount.com',
  roleArn: 'arn:aws:iam::123456789012:role/reader',
  region: 'eu-central-1',
  accessKeyId: 'AKIDEXAMPLE',
  audience:
    '//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-pool/providers/my-provider',
};

/**
 * Configs that hold a canary at every secret of a type, made from one that works: its own secrets together, each other
 * one with what it needs beside it. @throws Error naming a secret that cannot be filled in
 */
export function canaryConfigs(
  connector: Connector,
  works: ConfigValues,
  remember: (secret: string) => void,
): CanaryConfig[] {
  const secrets = secretPathsOf(connector);
  const own = secrets.filter((path) => valueAt(works, path) !== undefined);
  const others = secrets.filter((path) => !own.includes(path));
  const make = (paths: readonly string[]) => canaryConfig(connector, works, paths, remember);
  const configs = [...(own.length > 0 ? [make(own)] : []), ...others.map((path) => make([path]))];
  // a secret that needs another one beside it covers that one too
  return configs.filter(
    ({ paths }) =>
      !configs.some((more) => more.paths.length > paths.length && paths.every((path) => more.paths.includes(path))),
  );
}

/** The configs to misplace a text in: those with canaries, or the one that works of a type without secrets. */
export function openConfigs(
  connector: Connector,
  works: ConfigValues,
  configs: readonly CanaryConfig[],
): readonly CanaryConfig[] {
  return configs.length > 0 ? configs : [canaryConfig(connector, works, [], () => undefined)];
}

function canaryConfig(
  connector: Connector,
  works: ConfigValues,
  wanted: readonly string[],
  remember: (secret: string) => void,
): CanaryConfig {
  const { values, forms } = filledIn(connector, works, wanted);
  const put = (into: ConfigValues) => {
    for (const [path, form] of forms) {
      const value = newValue[form]();
      remember(value);
      setAt(into, path, value);
    }
    return into;
  };
  const paths = [...forms.keys()];
  return {
    connector,
    values,
    paths,
    freshPatch: () => put({}),
    fresh: () => put(structuredClone(values)),
  };
}

interface Filled {
  readonly values: ConfigValues;
  readonly forms: ReadonlyMap<string, CanaryForm>;
}

const ROUNDS = 8;

function filledIn(connector: Connector, works: ConfigValues, wanted: readonly string[]): Filled {
  const values = structuredClone(works);
  const forms = new Map<string, CanaryForm>();
  const give = (path: string, form: CanaryForm) => {
    forms.set(path, form);
    // the hardest of its kind: what takes that takes the others
    setAt(values, path, form === 'text' ? `${MARKER}${rest()}` : newValue[form]());
  };
  if (wanted.some((path) => path.startsWith('sshTunnel.'))) values.sshTunnel = { ...TUNNEL };
  for (const path of wanted) {
    keepAlternative(connector, values, path);
    give(path, 'text');
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const issues = issuesOf(connector, values);
    if (issues.length === 0) return { values, forms };
    for (const { path, code } of issues) {
      const form = forms.get(path);
      if (form && code === 'INVALID_FORMAT') give(path, form === 'text' ? 'pem' : 'plain');
      else if (form) meetHalfway(connector, values, path, forms, give);
      else if (valueAt(values, path) === undefined) help(connector, values, path, give);
      else setAt(values, path, undefined);
    }
  }
  throw new Error(
    `${connector.type}: ${wanted.join(', ')} cannot be filled in: ${JSON.stringify(issuesOf(connector, values))}`,
  );
}

function issuesOf(connector: Connector, values: ConfigValues) {
  const { error } = connector.config.safeParse(dropNulls(values));
  return (error?.issues ?? []).map((found) => ({
    path: found.path.join('.'),
    code: fieldIssue(found, found.path.map(String)).code,
  }));
}

type Give = (path: string, form: CanaryForm) => void;

/**
 * A secret that does not go with what else is there: another way to sign in goes; or it wants the others of its block
 * beside it.
 */
function meetHalfway(
  connector: Connector,
  values: ConfigValues,
  path: string,
  forms: ReadonlyMap<string, CanaryForm>,
  give: Give,
): void {
  const block = path.slice(0, path.lastIndexOf('.') + 1);
  const beside = (other: string) => other !== path && other.slice(0, other.lastIndexOf('.') + 1) === block;
  const siblings = secretPathsOf(connector).filter(beside);
  const others = siblings.filter((other) => valueAt(values, other) !== undefined && !forms.has(other));
  for (const other of [...others, ...(others.length > 0 ? [`${block}username`] : [])]) setAt(values, other, undefined);
  if (others.length === 0) for (const sibling of siblings) if (!forms.has(sibling)) give(sibling, 'text');
}

function help(connector: Connector, values: ConfigValues, path: string, give: Give): void {
  const key = path.slice(path.lastIndexOf('.') + 1);
  if (secretPathsOf(connector).includes(path)) give(path, 'text');
  else if (key in companions) setAt(values, path, companions[key]);
}

/** Of a choice that the path goes into, takes the other alternatives away. */
function keepAlternative(connector: Connector, values: ConfigValues, path: string): void {
  const [root = '', alternative = ''] = path.split('.');
  const inChoice = leavesOf(connector.config).some((leaf) => leaf.path === path) && path.split('.').length > 2;
  const block = values[root];
  if (!inChoice || typeof block !== 'object' || block === null || alternative in block) return;
  values[root] = {};
}

/** The path of every text of a type that is read back. */
export function openTextPaths(connector: Connector): string[] {
  return leavesOf(connector.config).flatMap(({ schema, mark, path }) =>
    schema instanceof z.core.$ZodString && !mark.secret ? [path] : [],
  );
}

/**
 * One of the configs with a text in a field that is read back: alone, or beside the certificate where one is wanted.
 */
export function withMisplaced(configs: readonly CanaryConfig[], path: string, text: string): ConfigValues {
  const [root = '', ...within] = path.split('.');
  const block = path.slice(0, path.lastIndexOf('.'));
  const [first] = configs;
  const fields = first ? fieldsOf(first.connector.config) : [];
  const isChoice = fields.some(({ key, mark }) => key === root && mark.oneOf);
  // an alternative stands in one of the configs, while another block may be put into any
  const holding = configs.find(({ values }) => valueAt(values, isChoice ? block : root) !== undefined);
  const fitting = holding ?? (isChoice && within.length > 1 ? undefined : first);
  if (!fitting) throw new Error(`${path} stands in none of the configs`);
  const config = structuredClone(fitting.values);
  if (isChoice && within.length === 1) config[root] = {};
  for (const { path: other, key, required } of leavesOf(fitting.connector.config)) {
    const around = other.slice(0, other.lastIndexOf('.') + 1);
    const isNeeded = required && around !== '' && path.startsWith(around) && valueAt(config, other) === undefined;
    if (isNeeded && key in companions) setAt(config, other, companions[key]);
  }
  setAt(config, path, /certificate$/i.test(path) ? `${CERTIFICATE}${text}` : text);
  return config;
}

/** One thing to look for. */
export interface Needle {
  readonly what: string;
  readonly form: string;
  readonly bytes: string;
}

/** A text in every encoding in which it could turn up, each as the characters of its bytes. */
export function needlesOf(what: string, text: string): Needle[] {
  const json = JSON.stringify(text).slice(1, -1);
  const bytes = Buffer.from(text);
  const utf16 = Buffer.from(text, 'utf16le').toString('latin1');
  const base64 = [0, 1, 2].flatMap((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    // only the digits that no neighbouring byte shares
    const [from, to] = [Math.ceil((offset * 8) / 6), Math.floor((padded.length * 8) / 6)];
    return [
      [`base64 at ${offset}`, padded.toString('base64').slice(from, to)],
      [`base64url at ${offset}`, padded.toString('base64url').slice(from, to)],
    ];
  });
  const forms = [
    ['raw', bytes.toString('latin1')],
    ['JSON', json],
    ['JSON in JSON', JSON.stringify(json).slice(1, -1)],
    ['URL', encodeURIComponent(text)],
    ['form', new URLSearchParams({ '': text }).toString().slice(1)],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
    ['UTF-16', utf16],
    ...base64,
  ];
  const seen = new Set<string>();
  return forms.flatMap(([form = '', needle = '']) => {
    if (seen.has(needle)) return [];
    seen.add(needle);
    return [{ what, form, bytes: needle }];
  });
}

/**
 * What to look for, given all secrets that were used: the markers for canaries, a line of each key, and every other
 * secret itself.
 */
export function needlesFor(secrets: readonly string[]): Needle[] {
  const own = secrets.flatMap((secret) => {
    if (markers.some((marker) => secret.startsWith(marker))) return [];
    if (!secret.includes('-----')) return needlesOf('secret', secret);
    const [, , line = ''] = secret.split('\n');
    return needlesOf('line of a key', line.slice(0, 48));
  });
  return [...markers.flatMap((marker) => needlesOf('canary', marker)), ...own];
}

/** The needles that a haystack holds, with what stands around the first of each. */
export function search(haystack: string | Buffer, needles: readonly Needle[]): string[] {
  const text = Buffer.from(haystack).toString('latin1');
  return needles.flatMap(({ what, form, bytes }) => {
    const at = text.indexOf(bytes);
    return at < 0 ? [] : [`${what} as ${form}: …${text.slice(Math.max(0, at - 80), at + bytes.length + 20)}…`];
  });
}

/** A value that is planted to see whether the search finds it. */
export const planted = MARKER;
