import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  parse,
  type Source,
  specifiedRules,
  ValuesOfCorrectTypeRule,
  validate,
} from 'graphql';
import { limitsRule, requestLimits, tooManyComparisons, tooManyTokens } from './limits.ts';
import { valuesRule } from './refused-values.ts';
import { isRequestError, requestError } from './request-error.ts';
import { createShownNames, withoutStrangeNames } from './shown-names.ts';

/** What graphql-js says of a limit without saying what it is. */
const CLEARER: Readonly<Record<string, string>> = {
  'Maximum introspection depth exceeded':
    'An introspection nests fields, interfaces, possibleTypes and inputFields in one another: two levels are the most. Ask for further types by __type.',
};

/** How many errors of validation one answer names. */
const MAX_ERRORS = 20;

/** Parses a document. @throws a request error that says where it is wrong, without the text that stands there */
export function parseDocument(source: string | Source): DocumentNode {
  try {
    return parse(source, { maxTokens: requestLimits.tokens });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    if (/^Syntax Error: Document contains more/.test(error.message)) throw tooManyTokens();
    throw requestError('GRAPHQL_PARSE_FAILED', {
      message: syntaxMessage(error),
      from: error,
      status: 400,
      aboutDocument: true,
    });
  }
}

const PUNCTUATION = /"(?:[!$&()[\]{}:=@|]|\.\.\.)"/.source;
const KIND = `(?:${PUNCTUATION}|<EOF>|Name|Int|Float|String|BlockString)`;
const UNEXPECTED = new RegExp(
  `^Syntax Error: (Unexpected ${KIND}|Expected ${KIND}, found ${KIND}|Unterminated string\\.)`,
);

/** graphql-js's own words, up to the text that it would echo. */
function syntaxMessage(error: GraphQLError): string {
  const [place] = error.locations ?? [];
  const what = UNEXPECTED.exec(error.message)?.[1]?.replace(/\.$/, '') ?? 'Unexpected text';
  return place ? `${what} at line ${place.line}, column ${place.column}.` : `${what}.`;
}

/** Makes what checks documents against the schema and the limits. What it finds holds no value of the caller's. */
export function createDocumentValidator(schema: GraphQLSchema): (document: DocumentNode) => readonly GraphQLError[] {
  const isShown = createShownNames(schema);
  const rules = [limitsRule, ...specifiedRules.filter((rule) => rule !== ValuesOfCorrectTypeRule), valuesRule(isShown)];
  const shown = (error: GraphQLError) => {
    if (isRequestError(error)) return error;
    if (error.message === 'Validation aborted.') return tooManyComparisons();
    const message = CLEARER[error.message] ?? withoutStrangeNames(error.message, isShown);
    return requestError('GRAPHQL_VALIDATION_FAILED', { message, from: error, status: 400, aboutDocument: true });
  };
  return (document) => validate(schema, document, rules, { maxErrors: MAX_ERRORS }).map(shown);
}
