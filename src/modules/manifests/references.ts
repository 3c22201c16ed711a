import { createHash } from 'node:crypto';
import { type ConfigValues, leavesOf, setAt, valueAt } from '../../connectors/kit/config/shape.ts';
import type { Connector } from '../../connectors/kit/contract/connector.ts';

/** An environment variable, or a file, of the machine on which a command runs. The server reads neither. */
const REFERENCE = /^\$\{(env:[A-Za-z_][A-Za-z0-9_]{0,254}|file:[^\0\r\n{}]{1,1024})\}$/;

export const REFERENCE_RULE = `Write ${referenceTo('env:NAME')}, or ${referenceTo('file:PATH')}, and nothing around it.`;

export const NO_SECRET = 'It comes from a variable, as only secrets do in a manifest: write its value.';

/** The pattern of what stands for a secret, for JSON Schema. */
export const REFERENCE_PATTERN = REFERENCE.source;

/** What a text names that stands for a secret: `env:ORDERS_PASSWORD`; undefined where it is no such text. */
export function referenceIn(text: string): string | undefined {
  return REFERENCE.exec(text)?.[1];
}

/** How a manifest writes what a secret is named by. */
export function referenceTo(source: string): string {
  return `\${${source}}`;
}

/** Whether a text was meant to name a secret: it looks like it as a whole, or has the beginning of one within. */
export function looksLikeReference(text: string): boolean {
  return (text.startsWith('${') && text.endsWith('}')) || hasReference(text);
}

/** Whether a text has the beginning of what names a secret. */
export function hasReference(text: string): boolean {
  return /\$\{(?:env|file):/.test(text);
}

/** A secret of a datastore, which has a name of its own in an exported manifest. */
export interface NamedSecret {
  readonly datastore: string;
  readonly configPath: string;
}

/** In hex digits. */
const DIGEST = 6;

/**
 * Gives each secret the name of an environment variable that says which it is: `ORDERS_TLS_CLIENT_KEY`. Where two would
 * have one name, each has a digest behind it, so that what one of them is called depends on no other's order.
 */
export function variableNames<Secret extends NamedSecret>(secrets: readonly Secret[]): Map<Secret, string> {
  const plain = secrets.map((secret) => [secret, variableName(secret)] as const);
  const counts = new Map<string, number>();
  for (const [, name] of plain) counts.set(name, (counts.get(name) ?? 0) + 1);
  return new Map(
    plain.map(([secret, name]) => [secret, counts.get(name) === 1 ? name : `${name}_${digestOf(secret)}`] as const),
  );
}

function variableName({ datastore, configPath }: NamedSecret): string {
  const path = configPath.replace(/[A-Z]/g, (letter) => `_${letter}`);
  const name = `${datastore}_${path}`.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
  return /^[A-Z]/.test(name) ? name : `DATASTORE_${name.replace(/^_+/, '')}`;
}

function digestOf({ datastore, configPath }: NamedSecret): string {
  return createHash('sha256').update(`${datastore}\n${configPath}`).digest('hex').slice(0, DIGEST).toUpperCase();
}

/** The config paths at which a type names a data structure: a manifest has its name there, for ids differ. */
export function structurePathsOf(connector: Connector): string[] {
  return leavesOf(connector.config).flatMap(({ mark, path }) => (mark.isId ? [path] : []));
}

/** Puts other texts in the place of those that name data structures, where there are any. */
export function withStructures(
  connector: Connector,
  config: ConfigValues,
  others: ReadonlyMap<string, string>,
): ConfigValues {
  const changed = structuredClone(config);
  for (const path of structurePathsOf(connector)) {
    const given = valueAt(changed, path);
    const other = typeof given === 'string' ? others.get(given) : undefined;
    if (other !== undefined) setAt(changed, path, other);
  }
  return changed;
}
