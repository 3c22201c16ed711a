import { issueCodes } from '../../errors/field-issues.ts';
import type { Faults, Path } from './faults.ts';
import type { Choice, FieldType, Structure, StructureField } from './structure.ts';

const NO_CHOICE = 'Give one of the field’s choices.';

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** How deep JSON that a caller gives may nest. */
export const MAX_JSON_DEPTH = 32;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Judges what any JSON that is stored has to keep to, whatever its structure. */
export function judgeJson(value: unknown, path: Path, faults: Faults, depth = 0): void {
  if (typeof value === 'number') judgeNumber(value, path, faults);
  if (typeof value !== 'object' || value === null) return;
  if (depth >= MAX_JSON_DEPTH) {
    faults.add(path, 'TOO_LONG', `JSON may nest at most ${MAX_JSON_DEPTH} deep.`);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    if (key === '__proto__') faults.add([...path, key], 'INVALID_VALUE', 'No field may be called __proto__.');
    judgeJson(inner, [...path, key], faults, depth + 1);
  }
}

function judgeNumber(value: number, path: Path, faults: Faults): void {
  if (Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value))) return;
  const most = Number.MAX_SAFE_INTEGER.toLocaleString('en');
  faults.add(path, 'OUT_OF_RANGE', `Beyond ±${most} a number would lose digits: give it as text.`);
}

/** How a value is judged, and where what is wrong with it is put. */
export interface Judging {
  readonly strict: boolean;
  readonly faults: Faults;
  readonly path: Path;
}

/** Judges a record by its structure. @returns it with the defaults of what it leaves out */
export function judgeRecord({ strict, fields }: Structure, record: JsonObject, path: Path, faults: Faults): JsonObject {
  return judgeFields(fields, record, { strict, faults, path });
}

function judgeFields(fields: readonly StructureField[], given: JsonObject, judging: Judging): JsonObject {
  const { strict, faults, path } = judging;
  const known = new Map(fields.map((field) => [field.name, field]));
  const filled = Object.entries(given).map(([name, value]): [string, unknown] => {
    const field = known.get(name);
    if (field) return [name, judgeValue(field, value, { ...judging, path: [...path, name] })];
    if (strict) faults.add([...path, name], 'UNKNOWN_FIELD', 'The data structure has no such field, and is strict.');
    return [name, value];
  });
  for (const field of fields) {
    if (Object.hasOwn(given, field.name)) continue;
    if (field.default !== null) filled.push([field.name, field.default]);
    else if (field.required) faults.add([...path, field.name], 'REQUIRED', issueCodes.REQUIRED);
  }
  return Object.fromEntries(filled);
}

/** Judges the value of a field. @returns it with the defaults of what it leaves out */
export function judgeValue(field: Omit<StructureField, 'name'>, value: unknown, judging: Judging): unknown {
  const { faults, path } = judging;
  if (value === null) {
    if (field.required) faults.add(path, 'REQUIRED', issueCodes.REQUIRED);
    return null;
  }
  const wrong = faultOf(field.type, value);
  if (wrong) {
    faults.add(path, wrong.code, wrong.message);
    return value;
  }
  if (field.type !== 'ARRAY' && field.choices && !field.choices.includes(value as Choice)) {
    faults.add(path, 'INVALID_VALUE', NO_CHOICE);
    return value;
  }
  if (isObject(value)) return field.fields ? judgeFields(field.fields, value, judging) : value;
  if (!Array.isArray(value) || !field.itemType) return value;
  const item = { ...field, type: field.itemType, itemType: null, required: true };
  return value.map((one, at) => judgeValue(item, one, { ...judging, path: [...path, String(at)] }));
}

interface Wrong {
  readonly code: 'INVALID_TYPE' | 'INVALID_FORMAT';
  readonly message: string;
}

const wrongType = (wanted: string): Wrong => ({ code: 'INVALID_TYPE', message: `Give ${wanted}.` });

/** What is wrong with a value that is to be of a type; undefined where nothing is. */
const faultsOfTypes: Readonly<Record<FieldType, (value: unknown) => Wrong | undefined>> = {
  TEXT: (value) => (typeof value === 'string' ? undefined : wrongType('a text')),
  NUMBER: (value) => (typeof value === 'number' ? undefined : wrongType('a number')),
  BOOLEAN: (value) => (typeof value === 'boolean' ? undefined : wrongType('true or false')),
  DATE: (value) => {
    if (typeof value !== 'string') return wrongType('a date as text');
    const message = 'Give a date as 2026-03-01, or an instant as 2026-03-01T12:00:00Z.';
    return isDate(value) ? undefined : { code: 'INVALID_FORMAT', message };
  },
  ARRAY: (value) => (Array.isArray(value) ? undefined : wrongType('a list')),
  COLLECTION: (value) => (isObject(value) ? undefined : wrongType('an object')),
};

function faultOf(type: FieldType, value: unknown): Wrong | undefined {
  return faultsOfTypes[type](value);
}

const DATE = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** Whether it is a date, or an instant as RFC 3339 has it, that the calendar knows. */
function isDate(text: string): boolean {
  const [, day = ''] = DATE.exec(text) ?? [];
  const midnight = Date.parse(`${day}T00:00:00Z`);
  if (day === '' || Number.isNaN(midnight) || Number.isNaN(Date.parse(text))) return false;
  return new Date(midnight).toISOString().startsWith(day);
}
