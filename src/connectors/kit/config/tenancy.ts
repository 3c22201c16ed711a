import { z } from 'zod';
import { issue } from './marks.ts';
import { refuseSecret } from './open-fields.ts';
import { given, has, rules } from './rules.ts';
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

/** How clients (tenants) are laid out inside a datastore. TABLE needs the five other fields. */
export const tenancySchema = z
  .object({
    level: z.enum(tenancyLevels),
    clientColumnType: z.enum(clientColumnTypes).optional(),
    schemaName: name.optional(),
    tableName: name.optional(),
    tableClientNameColumn: name.optional(),
    tablePrimaryKeyColumn: name.optional(),
  })
  .superRefine((tenancy, context) => {
    if (tenancy.level !== 'TABLE') return;
    for (const field of tableFields) {
      if (tenancy[field] === undefined)
        context.addIssue({ code: 'custom', path: [field], ...issue('REQUIRED', 'Level TABLE needs it.') });
    }
  })
  .meta(rules([has('level', { const: 'TABLE' }), given(...tableFields)]));
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
