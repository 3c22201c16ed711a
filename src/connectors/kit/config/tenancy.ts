import { z } from 'zod';
import { issue, labelled } from './marks.ts';
import { refuseSecret } from './open-fields.ts';
import { given, has, mayHave, rules } from './rules.ts';
import { anyText } from './text.ts';

export const tenancyLevels = ['TABLE', 'DATABASE'] as const;
export type TenancyLevel = (typeof tenancyLevels)[number];

export const clientColumnTypes = ['NUMBER', 'STRING'] as const;

const MAX_NAME = 255;
const name = anyText(MAX_NAME).superRefine(refuseSecret);
const tableFields = [
  'clientColumnType',
  'schemaName',
  'tableName',
  'tableClientNameColumn',
  'tablePrimaryKeyColumn',
] as const;

const isTable = has('level', { const: 'TABLE' });

/** How clients (tenants) are laid out inside a datastore. TABLE needs the five other fields. */
export const tenancySchema = z
  .object({
    level: labelled(z.enum(tenancyLevels), {
      TABLE: 'A table maps each client to its rows',
      DATABASE: 'Each client has a database of its own',
    }).meta({
      title: 'Level',
      description: 'How clients are told apart. TABLE needs the five other fields, DATABASE none of them.',
    }),
    clientColumnType: labelled(z.enum(clientColumnTypes), { NUMBER: 'Numbers', STRING: 'Texts' }).optional().meta({
      title: 'Type of the key column',
      description: 'Whether clients are told apart by numbers or by texts. Leave empty without a table.',
    }),
    schemaName: name.optional().meta({
      title: 'Schema of the table',
      description:
        'The schema, or whatever holds tables in this type, that holds the mapping table, at most 255 characters. Leave empty without a table.',
    }),
    tableName: name.optional().meta({
      title: 'Mapping table',
      description:
        'The mapping table, which has a row for each client, at most 255 characters. Leave empty without a table.',
    }),
    tableClientNameColumn: name.optional().meta({
      title: 'Column of the name',
      description:
        'The column of the mapping table that holds the client’s name, at most 255 characters. Leave empty without a table.',
    }),
    tablePrimaryKeyColumn: name.optional().meta({
      title: 'Key column',
      description:
        'The column of the mapping table that tells clients apart, at most 255 characters. Leave empty without a table.',
    }),
  })
  .superRefine((tenancy, context) => {
    if (tenancy.level !== 'TABLE') return;
    for (const field of tableFields) {
      if (tenancy[field] === undefined)
        context.addIssue({ code: 'custom', path: [field], ...issue('REQUIRED', 'Level TABLE needs it.') });
    }
  })
  .meta(
    rules(
      [isTable, given(...tableFields)],
      // null, which stands for an enum that is left out, is no type
      [isTable, mayHave('clientColumnType', { type: 'string' })],
    ),
  );
export type Tenancy = z.output<typeof tenancySchema>;

const NUMBER =
  /^(nullable\(|lowcardinality\(|unsigned )*(?!interval)(u?(big|small|tiny|medium)?int|integer|unsigned_long|(half|scaled)_float|u?int\d*|number|numeric|dec|float|double|real|money|smallmoney|bignumeric|(big|small)?serial|long|short|byte)/i;
const STRING =
  /^(nullable\(|lowcardinality\()*(n?(var)?char|character|n?text|(tiny|medium|long)text|string|fixedstring|uuid|uniqueidentifier|(constant_)?keyword|wildcard|clob|enum|objectid|bpchar|name|citext)/i;

/** Tells whether a server's own name of a type is one of numbers or of text. */
export function columnKind(dataType: string): 'NUMBER' | 'STRING' | 'OTHER' {
  if (NUMBER.test(dataType)) return 'NUMBER';
  return STRING.test(dataType) ? 'STRING' : 'OTHER';
}
