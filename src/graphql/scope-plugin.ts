import SchemaBuilder, {
  BasePlugin,
  type FieldNullability,
  type InputFieldMap,
  type PothosOutputFieldConfig,
  type SchemaTypes,
  type TypeParam,
} from '@pothos/core';
import type { GraphQLFieldResolver } from 'graphql';
import type { Context, Scopes } from './context.ts';

const PLUGIN = 'scopes';

declare global {
  export namespace PothosSchemaTypes {
    interface Plugins<Types extends SchemaTypes> {
      scopes: ScopePlugin<Types>;
    }
    interface FieldOptions<
      Types extends SchemaTypes = SchemaTypes,
      ParentShape = unknown,
      Type extends TypeParam<Types> = TypeParam<Types>,
      Nullable extends FieldNullability<Type> = FieldNullability<Type>,
      Args extends InputFieldMap = InputFieldMap,
      ResolveShape = unknown,
      ResolveReturnShape = unknown,
    > {
      /** What the caller's token must allow. It is asked before the arguments are looked at. */
      scope?: keyof Scopes;
    }
  }
}

/**
 * Checks a field's scope before its arguments are judged: who may not ask costs no more than that. The services check
 * scopes too, for whoever else calls them.
 */
export class ScopePlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(field: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    const { scope } = field.pothosOptions as { scope?: keyof Scopes };
    return scope === undefined ? field : { ...field, extensions: { ...field.extensions, scope } };
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
  { extensions }: PothosOutputFieldConfig<Types>,
): Resolver<Types> {
  const scope = extensions?.scope as keyof Scopes | undefined;
  if (scope === undefined) return resolve;
  return (parent, args, context, info) => {
    (context as Context).requireScope(scope);
    return resolve(parent, args, context, info);
  };
}

SchemaBuilder.registerPlugin(PLUGIN, ScopePlugin);
