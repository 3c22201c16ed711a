import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core';
import { type GraphQLFieldResolver, type GraphQLSchema, isObjectType } from 'graphql';
import { RequestFault } from '../errors/api.ts';
import type { Context, Scopes } from './context.ts';

const PLUGIN = 'scopes';

declare global {
  export namespace PothosSchemaTypes {
    interface Plugins<Types extends SchemaTypes> {
      scopes: ScopePlugin<Types>;
    }
    interface BuildSchemaOptions<Types extends SchemaTypes> {
      /** What each operation, as `Query.viewer`, and each other field that asks for anything asks of a token. */
      rights: Readonly<Record<string, { readonly scope: keyof Scopes | null }>>;
    }
  }
}

const OPERATIONS: readonly string[] = ['Query', 'Mutation', 'Subscription'];

/**
 * Checks a field's scope before its arguments are judged: who may not ask costs no more than that. The services check
 * scopes too, for whoever else calls them. Whatever of them refuses an operation, the context is told.
 */
export class ScopePlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(field: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    const coordinate = `${field.parentType}.${field.name}`;
    const { rights } = this.options;
    const right = Object.hasOwn(rights, coordinate) ? rights[coordinate] : undefined;
    if (!right && OPERATIONS.includes(field.parentType))
      throw new Error(`${coordinate} has no line in modules/access/rights.ts: say there what it asks of a token.`);
    const scope = right?.scope ?? undefined;
    return scope === undefined ? field : { ...field, extensions: { ...field.extensions, scope } };
  }

  /** A line of the table that is about no field would check nothing. */
  override afterBuild(schema: GraphQLSchema): GraphQLSchema {
    for (const coordinate of Object.keys(this.options.rights)) {
      const [typeName = '', fieldName = ''] = coordinate.split('.');
      const type = schema.getType(typeName);
      if (!isObjectType(type) || !Object.hasOwn(type.getFields(), fieldName))
        throw new Error(`modules/access/rights.ts has a line for ${coordinate}, which there is not.`);
    }
    return schema;
  }

  override wrapResolve(resolve: Resolver<Types>, field: PothosOutputFieldConfig<Types>): Resolver<Types> {
    return guarded(resolve, field);
  }

  override wrapSubscribe(
    subscribe: Resolver<Types> | undefined,
    field: PothosOutputFieldConfig<Types>,
  ): Resolver<Types> | undefined {
    return subscribe && guarded(subscribe, field);
  }
}

type Resolver<Types extends SchemaTypes> = GraphQLFieldResolver<unknown, Types['Context'], object>;

function guarded<Types extends SchemaTypes>(
  resolve: Resolver<Types>,
  { parentType, name, extensions }: PothosOutputFieldConfig<Types>,
): Resolver<Types> {
  const scope = extensions?.scope as keyof Scopes | undefined;
  if (scope === undefined && !OPERATIONS.includes(parentType)) return resolve;
  return (parent, args, context, info) => {
    // services refuse as well, for what they alone can know; a rejection comes after the rollback
    const fail = (error: unknown) => {
      if (error instanceof RequestFault && error.code === 'FORBIDDEN')
        (context as Context).refused(`${parentType}.${name}`, error);
      throw error;
    };
    try {
      if (scope !== undefined) (context as Context).requireScope(scope);
      const result = resolve(parent, args, context, info);
      return result instanceof Promise ? result.catch(fail) : result;
    } catch (error) {
      return fail(error);
    }
  };
}

SchemaBuilder.registerPlugin(PLUGIN, ScopePlugin);
