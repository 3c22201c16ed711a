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
    const validators = Object.entries(field.args).map(([name, { extensions }]) => [name, extensions?.validator]);
    const schema = z.looseObject(Object.fromEntries(validators.filter(([, validator]) => validator !== undefined)));
    return (parent, given, context, info) => {
      const { success, data, error } = schema.safeParse(given);
      if (!success) throw validationErrorOf(error);
      return resolve(parent, data, context, info);
    };
  }
}

type Resolver<Types extends SchemaTypes> = GraphQLFieldResolver<unknown, Types['Context'], object>;

SchemaBuilder.registerPlugin(PLUGIN, JudgePlugin);
