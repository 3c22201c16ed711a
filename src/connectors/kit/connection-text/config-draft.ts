import { z } from 'zod';
import { type ConfigValues, fieldsOf, type LeafField, leavesOf, setAt, valueAt } from '../config/shape.ts';
import type { TlsMode } from '../config/tls.ts';

/** A part of a text that was not taken, or not as it stands there. */
export interface IgnoredPart {
  readonly name: string;
  readonly reason: string;
}

/** How many ignored parts an answer names. */
const MAX_IGNORED = 100;
const MAX_NAME = 64;
/** What pages show where somebody's own value belongs: `<password>`, `[YOUR-PASSWORD]`, `${DB_PASSWORD}`. */
const PLACEHOLDER = /^(?:<[^<>]{1,64}>|\[[A-Z][A-Z _-]{1,62}\]|\$\{[^{}]{1,64}\}|\{\{[^{}]{1,64}\}\}|\*{3,64})$/;
const TRUE = /^(?:true|yes|on|1|enabled?|mandatory|required)$/i;
const FALSE = /^(?:false|no|off|0|disabled?|optional)$/i;
const MODES: readonly TlsMode[] = ['DISABLE', 'REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'];

/** What a switch says; undefined when it is no switch. A bare word, as `skip-ssl` is, comes as true. */
export function readSwitch(value: string): boolean | undefined {
  if (TRUE.test(value)) return true;
  return FALSE.test(value) ? false : undefined;
}

/** The config that is read from a text, as createDatastore takes it, and what of the text is left over. */
export class ConfigDraft {
  readonly values: ConfigValues = {};
  readonly #leaves: ReadonlyMap<string, LeafField>;
  readonly #choices: ReadonlySet<string>;
  readonly #ignored: IgnoredPart[] = [];
  #more = 0;

  constructor(config: z.core.$ZodObject) {
    this.#leaves = new Map(leavesOf(config).map((leaf) => [leaf.path, leaf]));
    this.#choices = new Set(fieldsOf(config).flatMap(({ key, mark }) => (mark.oneOf ? [key] : [])));
  }

  /** Everything that was not taken, as it stands there. */
  get ignored(): readonly IgnoredPart[] {
    if (this.#more === 0) return this.#ignored;
    return [...this.#ignored, { name: '…', reason: `${this.#more} more parts were not taken.` }];
  }

  has(path: string): boolean {
    return this.#leaves.has(path);
  }

  get(path: string): unknown {
    return valueAt(this.values, path);
  }

  /** Notes a part that is not taken. A name that looks like none is not shown. */
  ignore(name: string, reason: string): void {
    const isName = name.length <= MAX_NAME && /^[\w .:-]+$/.test(name);
    if (this.#ignored.length < MAX_IGNORED) this.#ignored.push({ name: isName ? name : '…', reason });
    else this.#more += 1;
  }

  /** Puts a value into a field, unless another one stands there. An empty value counts as none. */
  set(path: string, value: string, name: string = path): void {
    if (value === '') return;
    const leaf = this.#leaves.get(path);
    if (!leaf) throw new Error(`There is no config field ${path}.`);
    const converted = convert(leaf.schema, value);
    const reason = this.#whyNot(path, value, converted);
    if (reason !== undefined) this.ignore(name, reason);
    else setAt(this.values, path, converted);
  }

  #whyNot(path: string, value: string, converted: unknown): string | undefined {
    if (PLACEHOLDER.test(value)) return 'A placeholder stands there: fill in your own value.';
    if (converted === undefined) return `Its value does not fit the field ${path}.`;
    const before = this.get(path);
    if (before !== undefined && before !== converted) return 'It stands there more than once; the first one was taken.';
    if (this.#isChosenOtherwise(path)) return 'Another one stands there already, and only one of them can be given.';
    return undefined;
  }

  /** Makes TLS as weak as a setting says, unless it is weaker already: VERIFY_FULL is what it begins with. */
  lowerTls(mode: TlsMode): void {
    const before = (this.get('tls.mode') as TlsMode | undefined) ?? 'VERIFY_FULL';
    if (this.has('tls.mode') && MODES.indexOf(mode) < MODES.indexOf(before)) setAt(this.values, 'tls.mode', mode);
  }

  /** Whether a choice that the path goes into holds another alternative. */
  #isChosenOtherwise(path: string): boolean {
    const [root = '', alternative = ''] = path.split('.');
    const chosen = this.#choices.has(root) ? this.values[root] : undefined;
    return chosen !== undefined && !Object.hasOwn(chosen as object, alternative);
  }
}

function convert(schema: z.core.$ZodType, value: string): unknown {
  if (schema instanceof z.core.$ZodNumber) return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  if (schema instanceof z.core.$ZodBoolean) return readSwitch(value);
  if (!(schema instanceof z.core.$ZodEnum)) return value;
  const spelled = value.toUpperCase().replaceAll('-', '_');
  return Object.values(schema._zod.def.entries).find((entry) => entry === spelled);
}
