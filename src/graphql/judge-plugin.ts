import SchemaBuilder, { type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core';
import { PothosZodPlugin } from '@pothos/plugin-zod';
import type { GraphQLFieldResolver } from 'graphql';
import { z } from 'zod';
import { validationErrorOf } from './validation.ts';

const PLUGIN = 'judge';

declare global {
  export namespace PothosSchemaTypes {
    interface Plugins<Types extends SchemaTypes> {
      judge: JudgePlugin<Types>;
    }
  }
}

/**
 * Judges arguments as Pothos' zod plugin does, but at once: none of ours waits for anything, and promises for each
 * field with arguments take longer than judging them.
 */
export class JudgePlugin<Types extends SchemaTypes> extends PothosZodPlugin<Types> {
  override wrapResolve(resolve: Resolver<Types>, field: PothosOutputFieldConfig<Types>): Resolver<Types> {
    const wrapped = super.wrapResolve(resolve, field);
    // nothing is to be judged, or a rule over all arguments, which Pothos' own way judges
    if (wrapped === resolve || field.pothosOptions.validate !== undefined) return wrapped;
    const judge = argumentsJudge(field);
    return (parent, given, context, info) => resolve(parent, judge(given), context, info);
  }
}

/** Makes what gives the arguments of a field as their rules have them. @throws ValidationError */
function argumentsJudge<Types extends SchemaTypes>({
  args,
}: PothosOutputFieldConfig<Types>): (given: object) => object {
  const rules = Object.entries(args).flatMap(([name, { extensions }]) => {
    const rule = extensions?.validator as z.ZodType | undefined;
    return rule === undefined ? [] : [[name, rule] as const];
  });
  const schema = z.looseObject(Object.fromEntries(rules));
  const judgeAll = (given: object) => {
    const { success, data, error } = schema.safeParse(given);
    if (!success) throw validationErrorOf(error);
    return data;
  };
  // what is left out has no value either way, and one by one the rules take half the time of an object of them
  return (given) => {
    const judged: Record<string, unknown> = { ...given };
    for (const [name, rule] of rules) {
      if (judged[name] === undefined) continue;
      const { success, data } = rule.safeParse(judged[name]);
      if (!success) return judgeAll(given);
      judged[name] = data;
    }
    return judged;
  };
}

type Resolver<Types extends SchemaTypes> = GraphQLFieldResolver<unknown, Types['Context'], object>;

SchemaBuilder.registerPlugin(PLUGIN, JudgePlugin);
