import { isObject, type JsonObject } from '../data-structures/judge.ts';
import type { FieldType, Structure } from '../data-structures/structure.ts';

/** The column of the records' keys. */
export const KEY_COLUMN = '$key';
/** The column of whatever no other column can hold, as a JSON object. */
export const DATA_COLUMN = '$data';

/** A column of a field. */
export interface Column {
  readonly name: string;
  /** Null: the data structure does not know it. */
  readonly type: FieldType | null;
}

/** The columns of the fields that a structure knows, at the root. */
export function knownColumns(structure: Structure | null): readonly Column[] {
  return (structure?.fields ?? []).filter(({ name }) => name !== KEY_COLUMN && name !== DATA_COLUMN);
}

/** Whether a text stands in a cell as it is, so that it is read back as the same. */
const isPlain = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed() && !value.includes('\0');

const asJson = (value: unknown) => JSON.stringify(value);

/** Writes a value as a cell of its type that is read back as the same; undefined for a value that has none. */
const cells: Readonly<Record<FieldType, (value: unknown) => string | undefined>> = {
  TEXT: (value) => (isPlain(value) ? value : undefined),
  DATE: (value) => (isPlain(value) && value !== '' ? value : undefined),
  NUMBER: (value) => (typeof value === 'number' ? asJson(value) : undefined),
  BOOLEAN: (value) => (typeof value === 'boolean' ? asJson(value) : undefined),
  ARRAY: (value) => (Array.isArray(value) ? asJson(value) : undefined),
  COLLECTION: (value) => (isObject(value) ? asJson(value) : undefined),
};

/** How cells are written. */
export interface CellStyle {
  /** Whether a text that a spreadsheet would take for a formula gets an apostrophe before it. */
  readonly escapesFormulas: boolean;
}

const FORMULA = /^[=+\-@\t\r]/;

/** A cell of a text, which is quoted where it has to be: an empty text is, and so is none that is not there. */
export function textCell(text: string, { escapesFormulas }: CellStyle): string {
  const shown = escapesFormulas && FORMULA.test(text) ? `'${text}` : text;
  return shown === '' || /[",\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
}

/** A row of the header. */
export function headerRow(columns: readonly Column[], hasData: boolean, style: CellStyle): string {
  const names = [KEY_COLUMN, ...columns.map(({ name }) => name), ...(hasData ? [DATA_COLUMN] : [])];
  return `${names.map((name) => textCell(name, style)).join(',')}\r\n`;
}

/** A row of a record that is read back as the same: what has no cell of its own stands in that of `$data`. */
export function recordRow(columns: readonly Column[], key: string, data: JsonObject, style: CellStyle): string {
  const rest = new Map(Object.entries(data));
  const row = columns.map(({ name, type }) => {
    const value = rest.get(name);
    const cell = type === null ? undefined : cells[type](value);
    if (cell === undefined) return '';
    rest.delete(name);
    return typeof value === 'string' ? textCell(cell, style) : textCell(cell, { escapesFormulas: false });
  });
  const more = rest.size === 0 ? '' : textCell(asJson(Object.fromEntries(rest)), style);
  return `${[textCell(key, style), ...row, more].join(',')}\r\n`;
}

/** A row of some fields of a record, for who looks at them: it does not tell null from none, nor 1 from "1". */
export function chosenRow(names: readonly string[], key: string, data: JsonObject, style: CellStyle): string {
  const row = names.map((name) => {
    const value = Object.hasOwn(data, name) ? data[name] : null;
    if (value === null) return '';
    return isPlain(value) ? textCell(value, style) : textCell(asJson(value), { escapesFormulas: false });
  });
  return `${[textCell(key, style), ...row].join(',')}\r\n`;
}
