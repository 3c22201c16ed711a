import { GraphQLError, Kind, type ValueNode, valueFromASTUntyped } from 'graphql';
import { builder } from './builder.ts';

builder.scalarType('DateTime', {
  description: 'An instant as RFC 3339 text, always UTC: `2026-03-01T12:00:00.000Z`.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: (value) => String(value),
  parseValue: (value) => instant(value),
  parseLiteral: (node: ValueNode) => instant(node.kind === Kind.STRING ? node.value : undefined),
});

builder.scalarType('JSON', {
  description: 'Any JSON value.',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node: ValueNode, variables) => valueFromASTUntyped(node, variables),
});

builder.scalarType('SafeInt', {
  description: 'A whole number up to 2^53 − 1, as a JSON number: bytes and counts do not fit Int.',
  serialize: (value) => value,
  parseValue: (value) => safeInteger(value),
  parseLiteral: (node: ValueNode) => safeInteger(node.kind === Kind.INT ? Number(node.value) : undefined),
});

function safeInteger(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw new GraphQLError('SafeInt takes a whole number up to 2^53 − 1.');
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

function instant(value: unknown): string {
  const time = typeof value === 'string' && RFC_3339.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) throw new GraphQLError('DateTime takes RFC 3339 text with an offset or Z.');
  return new Date(time).toISOString();
}
