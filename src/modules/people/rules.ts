import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Scope, scopes } from '../access/access.ts';
import { environmentName } from '../environments/name.ts';

const MAX_FILE_BYTES = 256 * 1024;
const MAX_RULES = 1_000;
/** In characters: of a claim's name and of a value. */
const MAX_TEXT = 256;

const text = z.string().min(1).max(MAX_TEXT);
const rule = z.strictObject({
  claim: text,
  has: z.union([text, z.array(text).min(1)]).transform((value) => [value].flat()),
  scopes: z.array(z.enum(scopes)).transform((given): Scope[] => [...new Set(given)]),
  environments: z.union([z.literal('all'), z.array(environmentName)]),
});

/** Who, by a claim of his token, may do what in which environments. */
export type PeopleRule = z.output<typeof rule>;

/**
 * Reads the file of OIDC_RULES: a list in YAML, the first rule of which that fits a person counts.
 * @throws naming the line, or the place in the list, and what it must be
 */
export async function readPeopleRules(path: string): Promise<readonly PeopleRule[]> {
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`the file cannot be read (${error.code})`, { cause: error });
  });
  if (Buffer.byteLength(content) > MAX_FILE_BYTES) throw new Error(`the file is over ${MAX_FILE_BYTES / 1024} KiB`);
  const { parseDocument } = await import('yaml');
  const document = parseDocument(content);
  const [fault] = [...document.errors, ...document.warnings];
  if (fault) throw new Error(`line ${fault.linePos?.[0].line ?? 1}: this is no YAML`);
  const parsed = z.array(rule).min(1).max(MAX_RULES).safeParse(toValue(document));
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(faultOf).join('; '));
}

function toValue(document: { toJS(options: { maxAliasCount: number }): unknown }): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw new Error('it may hold no aliases', { cause: error });
  }
}

/** Where it is, and what it must be: never a value. */
function faultOf({ path: [index, field], code }: z.core.$ZodIssue): string {
  const place =
    index === undefined ? 'the file' : `rule ${Number(index) + 1}${field === undefined ? '' : `, ${String(field)}`}`;
  if (index === undefined) return `${place} must be a list of 1 to ${MAX_RULES} rules`;
  if (code === 'unrecognized_keys' || field === undefined)
    return `${place} must have claim, has, scopes and environments, and nothing else`;
  return `${place} ${MEANING[String(field) as keyof PeopleRule] ?? 'is not valid'}`;
}

const MEANING: Readonly<Record<keyof PeopleRule, string>> = {
  claim: 'must be the name of a claim',
  has: 'must be a text or a list of texts, one of which the claim has',
  scopes: `must list some of ${scopes.join(', ')}`,
  environments: 'must be all, or a list of names of environments',
};

/** The first rule that fits the claims of a person; undefined where none does. */
export function ruleFor(
  rules: readonly PeopleRule[],
  claims: Readonly<Record<string, unknown>>,
): PeopleRule | undefined {
  return rules.find(({ claim, has }) => {
    const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
    return [value].flat().some((each) => typeof each === 'string' && has.includes(each));
  });
}
