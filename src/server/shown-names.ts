import { type GraphQLSchema, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from 'graphql';

/** The longest name that is shown back, in characters. */
const MAX_LENGTH = 40;
// These are words in camelCase, PascalCase, snake_case or CAPITALS with at most two digits at a time: what people call
// things, and what keys and passwords that machines make hardly ever look like.
const LIKE_A_NAME = /^_{0,2}(?:[A-Z]?[a-z]+|[A-Z]{1,20})(?:_?(?:[A-Z]?[a-z]+|[A-Z]{1,20}|\d{1,2}(?!\d))){0,7}$/;

/**
 * Makes what says which of a caller's names may be shown back: those of the schema and those that look like one. Values
 * never are.
 */
export function createShownNames(schema: GraphQLSchema): (name: string) => boolean {
  const known = new Set<string>(['__schema', '__type', '__typename']);
  for (const directive of schema.getDirectives()) {
    known.add(directive.name);
    for (const argument of directive.args) known.add(argument.name);
  }
  for (const type of Object.values(schema.getTypeMap())) {
    known.add(type.name);
    if (isEnumType(type)) for (const value of type.getValues()) known.add(value.name);
    if (isInputObjectType(type)) for (const name of Object.keys(type.getFields())) known.add(name);
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      known.add(field.name);
      for (const argument of field.args) known.add(argument.name);
    }
  }
  return (name) => known.has(name) || isLikeName(name);
}

/** Whether it looks like what people call things. */
export function isLikeName(name: string): boolean {
  return name.length <= MAX_LENGTH && LIKE_A_NAME.test(name);
}

/** The message with each name in double quotes that may not be shown taken out. */
export function withoutStrangeNames(message: string, isShown: (name: string) => boolean): string {
  // a long message may have been cut within a name
  return message.replace(/"([^"]*)("|$)/g, (whole, quoted: string, end: string) => {
    const names = quoted.split(/[^\w]+/).filter((name) => name !== '');
    return end !== '' && names.every(isShown) ? whole : '"…"';
  });
}
