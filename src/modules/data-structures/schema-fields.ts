import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import { anyText } from '../../connectors/kit/config/text.ts';
import { issueCodes } from '../../errors/field-issues.ts';
import { label, labelSought } from '../../graphql/fields.ts';
import { Faults, type Path } from './faults.ts';
import { judgeJson, judgeValue } from './judge.ts';
import { type Choice, choosableTypes, type GivenField, type StructureField } from './structure.ts';

/** How deep collections may nest. */
export const MAX_DEPTH = 5;
/** How many fields a structure may have, at all depths together. */
export const MAX_FIELDS = 500;
/** In bytes, as JSON. */
const MAX_SIZE = 65_536;
/** How many choices a field may have. */
export const MAX_CHOICES = 100;
/** In characters. */
const MAX_NAME = 128;

/** A field that is judged by its type alone. */
const ANY = { label: null, required: true, default: null, choices: null, itemType: null, fields: null };

const fieldName = anyText(MAX_NAME)
  .refine((name) => !/\p{Cc}/u.test(name) && name.isWellFormed(), issue('INVALID_FORMAT', 'Give it on one line.'))
  .refine((name) => name !== '__proto__', issue('INVALID_VALUE', 'No field may be called __proto__.'));

/** Judges the fields of a structure that a caller gives, and fills in what they leave out. */
export const structureFields = fieldsLabelled(label);

/** The same for fields that may be stored already, with the labels that were taken then. */
export const storedFields = fieldsLabelled(labelSought);

function fieldsLabelled(fieldLabel: z.ZodType<string>) {
  return z.unknown().transform((given, context): readonly StructureField[] => {
    const faults = new Faults();
    const fields = new FieldReader(faults, fieldLabel).read(given as readonly GivenField[], []);
    const size = faults.list.length === 0 ? Buffer.byteLength(JSON.stringify(fields)) : 0;
    if (size > MAX_SIZE) faults.add([], 'TOO_LONG', `All fields together have at most ${MAX_SIZE} bytes, as JSON.`);
    for (const { path, code, message } of faults.list)
      context.addIssue({ code: 'custom', path: [...path], message, params: { code } });
    return fields;
  });
}

class FieldReader {
  readonly #faults: Faults;
  readonly #label: z.ZodType<string>;
  #count = 0;

  constructor(faults: Faults, fieldLabel: z.ZodType<string>) {
    this.#faults = faults;
    this.#label = fieldLabel;
  }

  read(given: readonly GivenField[], path: Path, depth = 1): StructureField[] {
    this.#count += given.length;
    if (this.#count > MAX_FIELDS) this.#faults.add(path, 'TOO_LONG', `At most ${MAX_FIELDS} fields in all.`);
    else {
      const names = new Set<string>();
      return given.map((field, at) => this.#field(field, [...path, String(at)], depth, names));
    }
    return [];
  }

  #field(given: GivenField, path: Path, depth: number, names: Set<string>): StructureField {
    const { name, type } = given;
    const isOfFields = type === 'COLLECTION' || (type === 'ARRAY' && given.itemType === 'COLLECTION');
    const isTooDeep = depth > MAX_DEPTH && isOfFields;
    if (isTooDeep) this.#faults.add(path, 'TOO_LONG', `Collections nest at most ${MAX_DEPTH} deep.`);
    if (names.has(name)) this.#faults.add([...path, 'name'], 'NAME_TAKEN', issueCodes.NAME_TAKEN);
    names.add(name);
    this.#judge(fieldName, name, [...path, 'name']);
    const field = {
      name,
      type,
      label: given.label == null ? null : (this.#judge(this.#label, given.label, [...path, 'label']) ?? null),
      required: given.required ?? false,
      default: given.default ?? null,
      itemType: given.itemType ?? null,
      choices: this.#choices(given, [...path, 'choices']),
      fields: given.fields == null || isTooDeep ? null : this.read(given.fields, [...path, 'fields'], depth + 1),
    };
    const refuse = (key: string, message: string) => this.#faults.add([...path, key], 'INVALID_COMBINATION', message);
    if (field.itemType && type !== 'ARRAY') refuse('itemType', 'Only a field of type ARRAY has an itemType.');
    if (field.fields && !isOfFields) refuse('fields', 'Only a COLLECTION, and an ARRAY of them, has fields.');
    // a default in a structure that is wrong otherwise would be judged by what is not meant
    if (field.default !== null && this.#faults.list.length === 0) this.#judgeDefault(field, [...path, 'default']);
    return field;
  }

  #choices({ type, itemType, choices }: GivenField, path: Path): StructureField['choices'] {
    if (choices == null) return null;
    const chosen = type === 'ARRAY' ? itemType : type;
    if (!chosen || !choosableTypes.includes(chosen)) {
      const message = 'Only a TEXT, a NUMBER, a DATE, and an ARRAY of one of them, has choices.';
      this.#faults.add(path, 'INVALID_COMBINATION', message);
    }
    if (choices.length === 0) this.#faults.add(path, 'TOO_SHORT', 'Give one choice or more, or none at all.');
    if (choices.length > MAX_CHOICES) this.#faults.add(path, 'TOO_LONG', `At most ${MAX_CHOICES} choices.`);
    if (this.#faults.list.length > 0 || !chosen) return null;
    const field = { ...ANY, type: chosen };
    for (const [at, choice] of choices.entries()) {
      const place = [...path, String(at)];
      judgeJson(choice, place, this.#faults);
      judgeValue(field, choice, { strict: true, faults: this.#faults, path: place });
      if (choices.indexOf(choice) < at) this.#faults.add(place, 'INVALID_COMBINATION', 'This choice is there before.');
    }
    return choices as readonly Choice[];
  }

  #judgeDefault(field: StructureField, path: Path): void {
    judgeJson(field.default, path, this.#faults);
    if (this.#faults.list.length === 0) judgeValue(field, field.default, { strict: true, faults: this.#faults, path });
  }

  #judge<Output>(schema: z.ZodType<Output>, value: unknown, path: Path): Output | undefined {
    const { data, error } = schema.safeParse(value);
    const [found] = error?.issues ?? [];
    if (found) this.#faults.addZod(path, found);
    return data;
  }
}
