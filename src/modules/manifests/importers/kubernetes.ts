import type { IgnoredPart } from '../../../connectors/kit/connection-text/config-draft.ts';
import { type ForeignConnection, type Found, isValues, textAt, typeOf, within } from './foreign.ts';

/** Types by the words for services of the Service Binding specification: in a key `type`, or within a Secret's type. */
const TYPES: Readonly<Record<string, string>> = {
  ...{ postgresql: 'POSTGRES', postgres: 'POSTGRES', cockroachdb: 'COCKROACHDB', redshift: 'REDSHIFT' },
  ...{ mysql: 'MYSQL', mariadb: 'MYSQL', singlestore: 'SINGLESTORE', sqlserver: 'MSSQL', mssql: 'MSSQL' },
  ...{ mongodb: 'MONGODB', clickhouse: 'CLICKHOUSE', trino: 'TRINO', snowflake: 'SNOWFLAKE' },
  ...{ elasticsearch: 'ELASTICSEARCH', opensearch: 'OPENSEARCH', qdrant: 'QDRANT', s3: 'S3' },
};
const BINDING = /^servicebinding\.io\//;

/** Kinds of Secrets that hold no connection. */
const OTHER_TYPES = /^(?:kubernetes\.io\/(?!basic-auth)|helm\.sh\/)/;
/** What a value in base64 is no text without. */
const NOT_TEXT = 'It is no text in UTF-8.';

/** Reads Secrets: each is one connection, whose settings are its keys, as a `.env` has them. */
export function readKubernetes(documents: readonly unknown[]): Found {
  const ignored: IgnoredPart[] = [];
  const items = documents.flatMap((document) => (isValues(document) ? [document.items ?? document].flat() : []));
  const connections = items.flatMap((item): ForeignConnection[] => {
    if (!isValues(item)) return [];
    const name = textAt(within(item, 'metadata'), 'name') ?? '';
    const kind = textAt(item, 'kind') ?? '';
    const secretType = textAt(item, 'type') ?? '';
    if (kind !== 'Secret' || OTHER_TYPES.test(secretType)) {
      ignored.push({ name: `${kind} ${name}`.trim(), reason: 'It is no Secret that may hold a connection.' });
      return [];
    }
    const settings = new Map<string, string>();
    for (const key of Object.keys(within(item, 'data'))) {
      const decoded = decodedText(textAt(within(item, 'data'), key) ?? '');
      if (decoded === undefined) ignored.push({ name: `${name}.${key}`, reason: NOT_TEXT });
      else settings.set(key, decoded);
    }
    const plain = within(item, 'stringData');
    for (const key of Object.keys(plain)) settings.set(key, textAt(plain, key) ?? '');
    const word = settings.get('type') ?? secretType.replace(BINDING, '');
    const type = typeOf(TYPES, word.toLowerCase());
    // it is read already, and no setting of a connection has these names
    if (type !== undefined) for (const key of ['type', 'provider']) settings.delete(key);
    return [{ name, type, settings: Object.fromEntries(settings) }];
  });
  return { connections, ignored };
}

function decodedText(base64: string): string | undefined {
  try {
    // what editors and `echo` put at the end is no part of a setting
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64')).replace(/\n$/, '');
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
