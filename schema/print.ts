import { mkdir, readFile, writeFile } from 'node:fs/promises';
import {
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
  printType,
} from 'graphql';
import { configJsonSchema } from '../src/connectors/kit/config/json-schema.ts';
import { type Connector, configKey, connectorId } from '../src/connectors/kit/contract/connector.ts';
import { connectors } from '../src/connectors/registry.ts';
import { requestErrorCodes, userErrorCodes } from '../src/errors/api.ts';
import { failureCauses, failureCodes } from '../src/errors/check-failures.ts';
import { issueCodes } from '../src/errors/field-issues.ts';
import { scopes } from '../src/modules/access/access.ts';
import { type Right, rights } from '../src/modules/access/rights.ts';
import { documentationOf, table } from '../src/modules/connectors/documentation.ts';
import { manifestJsonSchema } from '../src/modules/manifests/json-schema.ts';
import { schema } from '../src/schema.ts';

const root = new URL('../', import.meta.url);
const TYPES = /(<!-- types: .*? -->\n)[\s\S]*?(<!-- \/types -->)/;

/**
 * Gives every file that is written from the code, by its path: the API, the JSON Schemas, the tables of errors, of
 * rights and of scopes, a page for each type, the README's table of types.
 */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const configs = Object.fromEntries(connectors.map((connector) => [connector.type, configJsonSchema(connector)]));
  const readme = await readFile(new URL('README.md', root), 'utf8');
  return new Map([
    ['schema/schema.graphql', printedApi(schema)],
    ['schema/connectors.json', `${JSON.stringify(configs, null, 2)}\n`],
    ['schema/manifest.json', `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`],
    ['docs/errors.md', errorsPage()],
    ['docs/rights.md', rightsPage()],
    ['docs/connectors/README.md', connectorsPage()],
    ...connectors.map((connector) => [`docs/connectors/${fileName(connector)}`, documentationOf(connector)] as const),
    ['docs/tokens-and-scopes.md', scopesPage()],
    ['README.md', readme.replace(TYPES, (_, start, end) => `${start}${typesTable()}${end}`)],
  ]);
}

/**
 * Prints the API in the order in which it is read: what can be asked, then each type where it is first met. Those that
 * implement one of them follow after all that a root leads to. Fields stand as they were defined.
 */
export function printedApi(schema: GraphQLSchema): string {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(
    (root) => root != null,
  );
  const met = new Set<GraphQLNamedType>(roots);
  const meet = (type: GraphQLNamedType): void => {
    if (met.has(type)) return;
    met.add(type);
    namedBy(type).forEach(meet);
  };
  for (const root of roots) {
    namedBy(root).forEach(meet);
    for (const type of [...met].filter(isAbstractType)) schema.getPossibleTypes(type).forEach(meet);
  }
  // a type that nothing leads to would be printed nowhere
  for (const type of Object.values(schema.getTypeMap())) meet(type);
  const own = [...met].filter((type) => !isSpecifiedScalarType(type) && !isIntrospectionType(type));
  return `${own.map((type) => printType(type)).join('\n\n')}\n`;
}

/** The types that a type names, in their order. */
function namedBy(type: GraphQLNamedType): GraphQLNamedType[] {
  if (isScalarType(type) || isEnumType(type)) return [];
  if (isUnionType(type)) return [...type.getTypes()];
  if (isInputObjectType(type)) return Object.values(type.getFields()).map((field) => getNamedType(field.type));
  const fields = Object.values(type.getFields()).flatMap((field) => [
    ...field.args.map((argument) => argument.type),
    field.type,
  ]);
  return [...type.getInterfaces(), ...fields.map((named) => getNamedType(named))];
}

function typesTable(): string {
  const rows = connectors.map((connector) => [
    connector.title,
    `\`${connector.type}\``,
    `\`${configKey(connector)}\``,
    connector.provenAgainst,
  ]);
  return table(['type', 'DatastoreType', 'config key', 'proved against'], rows);
}

function fileName(connector: Connector): string {
  return `${connectorId(connector).replaceAll('_', '-')}.md`;
}

function connectorsPage(): string {
  const rows = connectors.map((connector) => [
    `[${connector.title}](${fileName(connector)})`,
    `\`${connector.type}\``,
    connector.description,
  ]);
  return `# The types

Written by \`npm run schema\` from the connectors: what to fill in, who has the least rights, what each check does, what a failure says. \`Connector.documentation\`
answers the same page.

${table(['type', 'DatastoreType', 'what it is'], rows)}`;
}

function rightsPage(): string {
  const rows = connectors.map(({ type, leastRights }) => [`\`${type}\``, leastRights]);
  return `# The least rights

Written by \`npm run schema\` from the connectors. With these rights at the server, and no others, every check that runs by default passes; what a check
needs besides stands in its description. Reading a catalog shows what the same user may see; an entry's \`readable\` says
whether that user may read it, for \`POSTGRES\`, \`COCKROACHDB\`, \`MYSQL\`, \`MSSQL\` and \`MONGODB\`. The other servers do not say: it is null.

${table(['type', 'least rights'], rows)}`;
}

function scopesPage(): string {
  const values = schema.getType('Scope');
  if (!isEnumType(values)) throw new Error('The API has scopes.');
  const meanings = values.getValues().map(({ name, description }) => [`\`${name}\``, description ?? '']);
  const lines: readonly (readonly [string, Right])[] = Object.entries(rights);
  const rows = lines.map(([coordinate, { scope, more = {}, everywhere }]) => [
    `\`${coordinate}\``,
    ...scopes.map((each) => (each === scope ? '✓' : Object.values(more).includes(each) ? '(✓)' : '')),
    [
      ...Object.entries(more).map(([when, also]) => `\`${also}\` ${when}`),
      ...(everywhere ? ['a token for all environments'] : []),
    ].join('; '),
  ]);
  return `# Tokens and scopes

Written by \`npm run schema\` from \`src/modules/access/rights.ts\`, of which the checks are made, too; \`test/tables/access.test.ts\` tries every cell, with what is the
caller's, somebody else's and deleted.

Every request brings a token. It has scopes, and it lists its environments or is for all of them, those made later included. What is not in its environments looks like
what does not exist: ids, names, cursors and counts tell nothing of it. A scope is asked for before an input is judged, and the answer is \`FORBIDDEN\`.

| token | made by | lasts | for |
| --- | --- | --- | --- |
| lasting | \`token create\`, \`createApiToken\` | until its \`expiresAt\`, or until it is revoked | backends, scripts |
| session | \`createSessionToken\`, with a lasting token | 12 hours at most, and no longer than its parent | the page of one user; it makes no tokens |
| of a sign-in link | \`npm start\` prints the link | 12 hours | GraphiQL on your own machine; what it makes ends with it |
| bootstrap | \`BOOTSTRAP_TOKEN\` | until it is revoked | the first steps; it has all scopes and environments |

A token that is made by API allows nothing beyond what its maker's allows: scopes, environments, expiry. It is shown once, when it is made. \`apiTokens\` and \`token list\` tell of
each its first characters, what it may, and when it was last used. \`revokeApiToken\` and \`token revoke\` end it for ever, with its session tokens; what they have open ends
within five seconds.

## What each scope is for

${table(['scope', 'for'], meanings)}
## What each operation asks for

No ✓: a token is enough. (✓): some inputs ask for it besides, as the last column says.

${table(['operation or field', ...scopes.map((each) => `\`${each}\``), 'besides'], rows)}
Beside GraphQL, \`GET /datastores/{id}/records\` asks for \`RECORDS_READ\` and \`POST\` for \`RECORDS_WRITE\`:
[import and export](managed-data-stores.md#take-all-out-or-in).
`;
}

function errorsPage(): string {
  const plain = (codes: Readonly<Record<string, string>>) =>
    table(
      ['code', 'meaning'],
      Object.entries(codes).map(([code, text]) => [`\`${code}\``, text]),
    );
  const failures = Object.entries(failureCodes).map(([code, failure]) => [
    `\`${code}\``,
    failure.cause,
    failure.message,
    'hint' in failure ? failure.hint : '',
  ]);
  return `# Error codes

Written by \`npm run schema\` from \`src/errors/\`. Codes are stable: more may come, none is renamed.

## In a mutation's result: \`UserError.code\`

${plain(userErrorCodes)}
## In \`issues\`: \`FieldIssue.code\`

${plain(issueCodes)}
## Top-level errors: \`extensions.code\`

What no form can mend. \`BAD_USER_INPUT\` also has \`extensions.issues\`, each like a FieldIssue; \`INTERNAL\` has \`extensions.errorId\`, which the log has too.

${plain(requestErrorCodes)}
## Why a check failed: \`CheckFailure.cause\`

${plain(failureCauses)}
## Why a check failed, exactly: \`CheckFailure.code\`

A connector may give a hint that fits better than the one here.

${table(['code', 'cause', 'message', 'hint'], failures)}`;
}

// with --release this is from now on the API that must not break
if (import.meta.main) {
  if (process.argv.includes('--release')) await writeFile(new URL('schema/released.graphql', root), printedApi(schema));
  await mkdir(new URL('docs/connectors/', root), { recursive: true });
  for (const [path, text] of await generatedFiles()) await writeFile(new URL(path, root), text);
}
