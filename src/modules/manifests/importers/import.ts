import {
  type ConfigValues,
  leavesOf,
  removeAt,
  secretPathsOf,
  setAt,
  valueAt,
} from '../../../connectors/kit/config/shape.ts';
import type { IgnoredPart } from '../../../connectors/kit/connection-text/config-draft.ts';
import { configKey, connectorId } from '../../../connectors/kit/contract/connector.ts';
import { ValidationError } from '../../../errors/api.ts';
import { type ParsedConnection, parseConnection } from '../../connectors/parse-connection.ts';
import { firstFree, nameFrom } from '../../datastores/datastore.ts';
import { manifestText } from '../export.ts';
import { type NamedSecret, NO_SECRET, referenceTo, variableNames } from '../references.ts';
import { readAirflow } from './airflow.ts';
import { readDbeaver } from './dbeaver.ts';
import { readDbt } from './dbt.ts';
import type { Importer, Values } from './foreign.ts';
import { readForeignText, UnreadableFile } from './foreign-text.ts';
import { readGrafana } from './grafana.ts';
import { readKubernetes } from './kubernetes.ts';
import { readSuperset } from './superset.ts';

export const importers: Readonly<Record<string, Importer>> = {
  grafana: readGrafana,
  airflow: readAirflow,
  dbeaver: readDbeaver,
  dbt: readDbt,
  superset: readSuperset,
  kubernetes: readKubernetes,
};

/** What stands for a variable: Grafana's `$NAME` and `${NAME}`, dbt's `{{ env_var('NAME') }}`. */
const VARIABLE = /^(?:\$\{?([A-Za-z_]\w*)\}?|\{\{\s*env_var\(\s*['"]([A-Za-z_]\w*)['"][^}]*\}\})$/;

/** What a variable is while a connection is read: a word that any text may be. */
const STAND_IN = /^env-var-(\w+)$/i;
const NOTHING_FOUND = 'No connection was found in it: look whether it is a file of the program that --from names.';
const WHICH_TYPE = 'Its settings fit several types: say which in one more, `type`, for instance postgresql or mysql.';

/** A manifest of what was read, and what was not. */
export interface Imported {
  readonly text: string;
  /** What was not taken, and what is to be mended before the manifest can be applied, by name. */
  readonly ignored: readonly IgnoredPart[];
}

interface Taken {
  readonly name: string;
  readonly label: string;
  readonly description: string | null;
  readonly read: ParsedConnection;
}

/**
 * Makes a manifest of a file of another program. It holds no secret of the file: a secret that the file takes from a
 * variable is taken from that, and every other one is named.
 * @throws UnreadableFile, beginning with line and column, and for a file in which there is nothing of that program's
 */
export async function importManifest(importer: Importer, text: string): Promise<Imported> {
  const { connections, ignored } = importer(await readForeignText(text));
  if (connections.length === 0 && ignored.every(({ name }) => name === ''))
    throw new UnreadableFile(`1:1: ${NOTHING_FOUND}`);
  const told = [...ignored];
  const names = new Set<string>();
  const taken = connections.flatMap(({ name: given, description = null, type, settings }): Taken[] => {
    const read = readForeign(JSON.stringify(withoutVariables(settings)), type);
    if (typeof read === 'string') {
      told.push({ name: given, reason: read });
      return [];
    }
    const name = firstFree(nameFrom(given, connectorId(read.connector)), names);
    names.add(name);
    told.push(...read.ignored.map((part) => ({ ...part, name: `${given}.${part.name}` })));
    told.push(
      ...read.issues.map(({ configPath, message }) => ({
        name: `${name}.config.${configPath ?? ''}`,
        reason: message,
      })),
    );
    for (const path of openVariables(read)) {
      removeAt(read.config, path);
      told.push({ name: `${name}.config.${path}`, reason: NO_SECRET });
    }
    return [{ name, label: given, description, read }];
  });
  return { text: await manifestText({ manifest: 1, datastores: datastoresOf(taken) }), ignored: told };
}

function withoutVariables(settings: Values): Values {
  const named = Object.entries(settings).map(([key, value]) => {
    const [, plain, quoted] = typeof value === 'string' ? (VARIABLE.exec(value) ?? []) : [];
    const variable = plain ?? quoted;
    return [key, variable === undefined ? value : `env-var-${variable}`] as const;
  });
  return Object.fromEntries(named);
}

/** The config paths of what comes from a variable and is no secret. */
function openVariables({ connector, config }: ParsedConnection): string[] {
  const open = leavesOf(connector.config).filter(({ mark }) => !mark.secret);
  return open.map(({ path }) => path).filter((path) => STAND_IN.test(String(valueAt(config, path))));
}

/** Reads a connection; a text says why it is none. */
function readForeign(text: string, type: string | undefined): ParsedConnection | string {
  try {
    return parseConnection(text, type);
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    return error.issues.map(({ path, message }) => (path[0] === 'type' ? WHICH_TYPE : message)).join(' ');
  }
}

function datastoresOf(taken: readonly Taken[]): object {
  const secrets = taken.flatMap(({ name, read }) =>
    secretPathsOf(read.connector)
      .filter((path) => valueAt(read.config, path) !== undefined)
      .map((configPath): NamedSecret => ({ datastore: name, configPath })),
  );
  const variables = variableNames(secrets);
  return Object.fromEntries(
    taken.map(({ name, label, description, read }) => {
      const config: ConfigValues = structuredClone(read.config);
      for (const secret of secrets.filter(({ datastore }) => datastore === name)) {
        const [, variable] = STAND_IN.exec(String(valueAt(config, secret.configPath))) ?? [];
        setAt(config, secret.configPath, referenceTo(`env:${variable ?? variables.get(secret) ?? ''}`));
      }
      const details = { ...(label === name ? {} : { label }), ...(description === null ? {} : { description }) };
      return [name, { ...details, config: { [configKey(read.connector)]: config } }];
    }),
  );
}
