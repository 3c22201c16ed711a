import { z } from 'zod';
import { formLayoutOf } from '../../connectors/kit/config/form-layout.ts';
import { type FieldShape, fieldsOf } from '../../connectors/kit/config/shape.ts';
import {
  allChecksOf,
  type Check,
  type Connector,
  checkName,
  configKey,
} from '../../connectors/kit/contract/connector.ts';
import { type FailureCode, failureCodes } from '../../errors/check-failures.ts';
import recordedFailures from './failures.json' with { type: 'json' };

/** A failure as the fault matrix has seen it: `npm run matrix` writes them. */
interface SeenFailure {
  readonly wrong: string;
  /** The check that failed, by its name within the type. */
  readonly at: string;
  readonly code: FailureCode;
  readonly configPath: string | null;
  readonly hint: string | null;
}

const failures: Readonly<Record<string, readonly SeenFailure[]>> = recordedFailures as Record<string, SeenFailure[]>;
const pages = new Map<string, string>();

/** The page of a type, in Markdown: docs/connectors/ has the same. It is written when it is first asked for. */
export function documentationOf(connector: Connector): string {
  const page = pages.get(connector.type) ?? writePage(connector);
  pages.set(connector.type, page);
  return page;
}

/** A table of Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

function cell(text: string): string {
  return text.replace(/(?<!\\)\|/g, '\\|').replace(/\s*\n\s*/g, ' ');
}

function writePage(connector: Connector): string {
  const { title, description, leastRights } = connector;
  const parts = [
    `# ${title}\n\n${description}\n\n${facts(connector)}`,
    `## What to fill in\n\n${fieldTable(connector)}`,
    `## The least rights\n\n${leastRights}\n${recipe(connector)}`,
    `## What is checked\n\nThe checks run in this order, and end with the first that fails.\n\n${checkTable(connector)}`,
    ...failureParts(connector),
    ...textParts(connector),
  ];
  return parts.join('\n');
}

function facts(connector: Connector): string {
  const { type, defaultPort, tenancyLevels, catalogCheck, principalSecret, provenAgainst } = connector;
  const rows = [
    ['`DatastoreType`', `\`${type}\``],
    ['config key', `\`${configKey(connector)}\``],
    ...(principalSecret ? [['`configSecret` fills', `\`${principalSecret}\``]] : []),
    ...(defaultPort ? [['port', String(defaultPort)]] : []),
    ['SSH tunnel', 'sshTunnel' in connector.config.shape ? 'yes' : 'no'],
    ['tenancy', tenancyLevels?.map((level) => `\`${level}\``).join(', ') ?? 'no'],
    ['catalog', catalogCheck ? 'yes' : 'no'],
    ['proved against', provenAgainst],
  ];
  return table(['about the type', ''], rows);
}

function fieldTable(connector: Connector): string {
  const needs = new Map(needsOf(connector.config).map(({ path, need, field }) => [path, { need, field }]));
  const rows = formLayoutOf(connector).flatMap(({ title, fields }) =>
    fields.map((path) => {
      const { need = '', field } = needs.get(path) ?? {};
      return [title, `\`${path}\``, need, `**${field?.title ?? path}.** ${field?.description ?? ''}`];
    }),
  );
  return table(['part', 'field', 'needed', 'what it is'], rows);
}

interface Need {
  readonly path: string;
  readonly need: string;
  readonly field: FieldShape;
}

/** What is needed of a block's fields. `within` tells what has to be there first, where the block may be left out. */
function needsOf(object: z.core.$ZodObject, prefix = '', within = ''): readonly Need[] {
  return fieldsOf(object).flatMap((field): readonly Need[] => {
    const path = prefix + field.key;
    if (!(field.schema instanceof z.core.$ZodObject)) return [{ path, need: needOf(field, within), field }];
    // an alternative of a choice is optional to zod, and needs its fields where it is chosen
    return needsOf(field.schema, `${path}.`, field.required || field.alwaysSet ? within : `with \`${path}\``);
  });
}

function needOf({ required, defaultValue }: FieldShape, within: string): string {
  if (required) return within || 'yes';
  return defaultValue === undefined ? 'no' : `no, default \`${JSON.stringify(defaultValue)}\``;
}

function recipe({ recipe: made }: Connector): string {
  return made ? `\n\`\`\`${made.language}\n${made.text}\n\`\`\`\n` : '';
}

function checkTable(connector: Connector): string {
  const rows = allChecksOf(connector).map((check) => [
    `\`${checkName(connector, check)}\``,
    `**${check.title}.** ${check.description}`,
    whenItRuns(connector, check),
  ]);
  return table(['check', 'what is true when it passes', 'runs'], rows);
}

function whenItRuns({ catalogCheck }: Connector, check: Check<never, never>): string {
  if (check === catalogCheck) return 'when the catalog is refreshed';
  if (check.writes) return 'when asked for; it writes';
  if (check.runsByDefault === false) return 'when asked for';
  return check.appliesTo ? 'by default, where the config has what it is about' : 'by default';
}

function failureParts({ type }: Connector): readonly string[] {
  const seen = failures[type];
  if (!seen) return [];
  const rows = seen.map(({ wrong, at, code, configPath, hint }) => [
    wrong,
    `\`${at}\``,
    `\`${code}\``,
    configPath === null ? '' : `\`${configPath}\``,
    failureCodes[code].message,
    hint ?? '',
  ]);
  const heads = ['what is wrong', 'check', 'code', 'field', 'message', 'hint'];
  return [`## When it fails\n\nEach was brought about for this type.\n\n${table(heads, rows)}`];
}

function textParts({ texts }: Connector): readonly string[] {
  if (!texts) return [];
  return [
    `## What can be pasted\n\n\`parseConnection\` reads, among others:\n\n\`\`\`text\n${texts.examples.join('\n\n')}\n\`\`\`\n`,
  ];
}
