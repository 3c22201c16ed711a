import ts from 'typescript';
import { expect, test } from 'vitest';
import { leavesOf } from '../../src/connectors/kit/config/shape.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { failureCodes } from '../../src/errors/check-failures.ts';
import recorded from '../../src/modules/connectors/failures.json' with { type: 'json' };
import { collect, parseSource, readSources } from './sources.ts';

/* What a failure tells its reader to do: each hint of the table of codes, and each of every connector's own. */

interface Hint {
  readonly path: string;
  readonly text: string;
}

const LONGEST = 300;
/** What stands for a value that only the run of a check knows. */
const UNKNOWN = 'X';

/** The texts that an expression can come to; names and calls are looked up in the same file. */
function textsOf(node: ts.Expression | undefined, source: ts.SourceFile, depth = 3): string[] {
  if (!node || depth === 0) return [UNKNOWN];
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression, source, depth);
  if (ts.isConditionalExpression(node))
    return [node.whenTrue, node.whenFalse].flatMap((each) => textsOf(each, source, depth));
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken)
    return joined([textsOf(node.left, source, depth), textsOf(node.right, source, depth)]);
  if (ts.isBinaryExpression(node)) return [node.left, node.right].flatMap((each) => textsOf(each, source, depth));
  if (ts.isTemplateExpression(node)) {
    const parts = node.templateSpans.flatMap(({ expression, literal }) => [
      textsOf(expression, source, depth),
      [literal.text],
    ]);
    return joined([[node.head.text], ...parts]);
  }
  const name = ts.isIdentifier(node) ? node : ts.isCallExpression(node) ? node.expression : undefined;
  const found = name && ts.isIdentifier(name) ? declared(name.text, source) : [];
  return found.length === 0 ? [UNKNOWN] : found.flatMap((each) => textsOf(each, source, depth - 1));
}

/** What a constant of the file is, or what a function of it returns. */
function declared(name: string, source: ts.SourceFile): ts.Expression[] {
  return collect(source, (node) => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === name && node.initializer) return [node.initializer];
    if (!ts.isFunctionDeclaration(node) || node.name?.text !== name) return undefined;
    return collect(node, (inner) => (ts.isReturnStatement(inner) ? inner.expression : undefined));
  }).flat();
}

function joined(parts: readonly (readonly string[])[]): string[] {
  return parts.reduce<string[]>((texts, part) => texts.flatMap((text) => part.map((each) => text + each)), ['']);
}

function hintsOf(source: ts.SourceFile): Hint[] {
  const found = collect(source, (node) => {
    if (ts.isPropertyAssignment(node) && /^(hint|nameHint)$/.test(node.name.getText())) return node.initializer;
    return ts.isVariableDeclaration(node) && /hint$/i.test(node.name.getText()) ? node.initializer : undefined;
  });
  const texts = found.flatMap((each) => textsOf(each, source));
  // what is nothing but the value of a variable is judged where that is made
  return [...new Set(texts)].filter((text) => text.includes(' ')).map((text) => ({ path: source.fileName, text }));
}

/** The words that tell what to do, at the beginning of a sentence or of a part of one. */
const VERBS = `add allow ask change check choose compare confirm connect create enable find give grant have install
  leave link look lower make map open pick put raise remove rename renew repair revoke run say send set shorten sign start
  take test try turn unlock upgrade use wait write`;
const ADVICE = new RegExp(`(?:^|[.:;,] |\\b(?:or|and|then|to) )(?:then )?(?:${VERBS.split(/\s+/).join('|')})\\b`, 'i');

function isAdvice({ text }: Hint): boolean {
  return ADVICE.test(text);
}

const sources = await readSources();
const hints = sources
  .filter(({ fileName }) => fileName.startsWith('connectors/') || fileName === 'errors/check-failures.ts')
  .flatMap(hintsOf);

/** The fields of each type, and the blocks that they stand in, by their paths. */
const fields = new Map(
  connectors.map(({ type, config }) => {
    const parts = leavesOf(config).map(({ path }) => path.split('.'));
    return [type, new Set(parts.flatMap((each) => each.map((_, end) => each.slice(0, end + 1).join('.'))))];
  }),
);
const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  aws: ['S3', 'ATHENA'],
  elastic: ['ELASTICSEARCH', 'OPENSEARCH'],
  google: ['GOOGLE_CLOUD_STORAGE', 'BIGQUERY'],
  mysql: ['MYSQL', 'SINGLESTORE'],
  postgres: ['POSTGRES', 'REDSHIFT', 'COCKROACHDB'],
};
/** What some types of a family alone take from it. */
const OF_SOME: Readonly<Record<string, readonly string[]>> = {
  'connectors/families/aws/rds.ts': ['POSTGRES', 'MYSQL'],
};
/** A field of a config, as hints name it. */
const FIELD = /`([a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)*)`|\b((?:tls|sshTunnel|credentials)\.[A-Za-z]+)/g;

/** The fields that a hint names and that whoever reads it cannot have. */
function strangeFields({ path, text }: Hint): string[] {
  const [, place = '', family = ''] = path.split('/');
  const own = place === 'families' ? (OF_SOME[path] ?? FAMILIES[family]) : [place.replaceAll('-', '_').toUpperCase()];
  // what all types share names what some of them have
  const isShared = place === 'kit' || path.startsWith('errors/');
  const has = (field: string) =>
    isShared
      ? field.startsWith('tenancy.') || [...fields.values()].some((each) => each.has(field))
      : own?.every((type) => fields.get(type)?.has(field));
  return [...text.matchAll(FIELD)].map(([, ticked, plain]) => ticked ?? plain ?? '').filter((field) => !has(field));
}

const shown = (wrong: readonly Hint[]) => wrong.map(({ path, text }) => `${path}: ${text}`);

test('there are hints of every connector’s own, and of the table', () => {
  const places = new Set(hints.map(({ path }) => path.split('/').slice(0, 2).join('/')));
  expect(hints.length).toBeGreaterThan(250);
  expect(places.size).toBeGreaterThan(15);
  expect(hints.filter(({ path }) => path === 'errors/check-failures.ts').map(({ text }) => text)).toEqual(
    expect.arrayContaining(Object.values(failureCodes).flatMap((each) => ('hint' in each ? [each.hint] : []))),
  );
});

test('a hint ends with a full stop, and is no longer than 300 characters', () => {
  expect(shown(hints.filter(({ text }) => !text.endsWith('.') || text.length > LONGEST))).toEqual([]);
});

test('a hint says what to do', () => {
  expect(shown(hints.filter((each) => !isAdvice(each)))).toEqual([]);
});

test('a hint names fields that the type has', () => {
  expect(hints.flatMap((each) => strangeFields(each).map((field) => `${each.path}: ${field}`))).toEqual([]);
});

test('the rules find what is wrong', () => {
  const given = parseSource(
    'connectors/mysql/failures.ts',
    `const which = isOld ? 'Check \`username\`' : 'The server knows better';
     const failure = new Failure('X', { hint: \`\${which}, or \\\`warehouse\\\`, or tls.mode.\` });
     const OTHER_HINT = 'The log has ' + 'more';`,
  );
  const found = hintsOf(given);
  expect(found.map(({ text }) => text)).toEqual([
    'Check `username`, or `warehouse`, or tls.mode.',
    'The server knows better, or `warehouse`, or tls.mode.',
    'The log has more',
  ]);
  expect(found.map(isAdvice)).toEqual([true, false, false]);
  expect(found.map(strangeFields)).toEqual([['warehouse'], ['warehouse'], []]);
});

/** What goes wrong before anybody is signed in. */
const ON_THE_WAY = /^(closed port|silent peer|a (mail|web) server answers|a firewall answers)$/;

test('who was signed in is not sent to host, port and firewalls', () => {
  const late = Object.entries(recorded).flatMap(([type, failures]) =>
    failures.filter(({ wrong }) => !ON_THE_WAY.test(wrong)).map(({ wrong, hint }) => ({ type, wrong, hint })),
  );
  expect(late.length).toBeGreaterThan(250);
  expect(late.filter(({ hint }) => /\bhost(, | and )port\b|firewall/i.test(hint ?? ''))).toEqual([]);
});
