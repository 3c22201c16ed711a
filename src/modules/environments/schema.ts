import type DataLoader from 'dataloader';
import { ConflictError, InUseError, NameTakenError, NotFoundError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { idempotencyKeyField, searchField, uuid } from '../../graphql/fields.ts';
import { NodeRef } from '../../graphql/node.ts';
import { ApiTokenRef } from '../access/schema.ts';
import { ENVIRONMENT_NAME_RULE, environmentName, NETWORK_NAME_RULE, networkName } from './name.ts';
import type { EnvironmentRow, EnvironmentService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly environments: EnvironmentService;
  }
  interface Loaders {
    readonly environment: DataLoader<string, EnvironmentRow | null>;
  }
}

export const EnvironmentRef = builder.objectRef<EnvironmentRow>('Environment').implement({
  description:
    'A wall between datastores: between production and staging, or between one customer and the next. A token is for some environments, or for all.',
  interfaces: [NodeRef],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID, which the client may choose when it makes the environment.' }),
    name: t.exposeString('name', { description: 'The environment’s unique name.' }),
    network: t.exposeString('network', {
      nullable: true,
      description:
        'The network that its datastores are reached from: their tests run in workers of this name alone, as `datastore-gateway worker --network` starts them. Null: they run in any process that is given no network.',
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was made.',
      resolve: (environment) => environment.created_at,
    }),
  }),
});

builder.objectField(ApiTokenRef, 'environments', (t) =>
  t.field({
    type: [EnvironmentRef],
    nullable: true,
    description: 'The environments that the token is for; null for all of them, those made later included.',
    resolve: async (token, _arguments, { loaders }) => {
      if (token.all_environments) return null;
      const found = await loaders.environment.loadMany(token.environmentIds);
      return found.filter((one): one is EnvironmentRow => one !== null && !(one instanceof Error));
    },
  }),
);

const EnvironmentConnection = connectionType('Environment', EnvironmentRef);

builder.queryFields((t) => ({
  environments: t.field({
    type: EnvironmentConnection,
    description: 'The environments that you may see, sorted by name.',
    args: {
      search: t.arg.string(searchField('the name')),
      ...pageArguments,
    },
    resolve: (_root, { search, ...page }, { access, services }) =>
      services.environments.list(access, search ?? null, page),
  }),
  environment: t.field({
    type: EnvironmentRef,
    nullable: true,
    description: 'One environment; null when it does not exist or you may not see it, which look the same.',
    args: { id: t.arg.id({ required: true, description: 'The environment’s id.', validate: { schema: uuid } }) },
    resolve: (_root, { id }, { loaders }) => loaders.environment.load(id),
  }),
}));

const CreateEnvironmentInput = builder.inputType('CreateEnvironmentInput', {
  description: 'A new environment.',
  fields: (t) => ({
    id: t.id({
      description: 'Choose a UUID that was never used before, or leave it out to have one chosen for you.',
      validate: { schema: uuid },
    }),
    name: t.string({
      required: true,
      description: `A unique name: ${ENVIRONMENT_NAME_RULE}.`,
      validate: { schema: environmentName },
    }),
    network: t.string({
      description: `From which network its datastores are reached: ${NETWORK_NAME_RULE}. Their tests then wait for a worker of that name. Leave it out where the gateway reaches them itself.`,
      validate: { schema: networkName },
    }),
    idempotencyKey: t.string(idempotencyKeyField),
  }),
});

const UpdateEnvironmentInput = builder.inputType('UpdateEnvironmentInput', {
  description: 'A change of an environment.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The environment to change.', validate: { schema: uuid } }),
    name: t.string({ description: 'Leave it out to keep the name.', validate: { schema: environmentName } }),
    network: t.string({
      description: `From which network its datastores are reached from now on: ${NETWORK_NAME_RULE}. Tests that are queued stay with the network that they were started for. Leave it out to keep it; null takes it away.`,
      validate: { schema: networkName },
    }),
    idempotencyKey: t.string(idempotencyKeyField),
  }),
});

interface EnvironmentChanged {
  readonly environment: EnvironmentRow;
}

const changed = (name: string, description: string) =>
  builder.objectRef<EnvironmentChanged>(name).implement({
    description,
    fields: (t) => ({
      environment: t.field({
        type: EnvironmentRef,
        description: 'The environment as it is stored now.',
        resolve: (result) => result.environment,
      }),
    }),
  });

const DeleteEnvironmentSuccess = builder.objectRef<{ deletedId: string }>('DeleteEnvironmentSuccess').implement({
  description: 'The environment is gone.',
  fields: (t) => ({
    deletedId: t.exposeID('deletedId', { description: 'The id of the environment that this call has deleted.' }),
  }),
});

builder.mutationFields((t) => ({
  createEnvironment: t.field({
    type: changed('CreateEnvironmentSuccess', 'The environment is made.'),
    description: 'Makes an environment. The token needs ENVIRONMENTS_WRITE, and has to be for all environments.',
    errors: {
      types: [ValidationError, NotFoundError, NameTakenError, ConflictError],
      union: { name: 'CreateEnvironmentResult' },
    },
    args: { input: t.arg({ type: CreateEnvironmentInput, required: true, description: 'The environment to make.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      environment: await services.environments.create(access, { ...input, path: ['input'] }),
    }),
  }),
  updateEnvironment: t.field({
    type: changed('UpdateEnvironmentSuccess', 'The environment is changed.'),
    description:
      'Renames an environment, or changes from which network its datastores are reached. The token needs ENVIRONMENTS_WRITE.',
    errors: {
      types: [ValidationError, NotFoundError, NameTakenError, ConflictError],
      union: { name: 'UpdateEnvironmentResult' },
    },
    args: { input: t.arg({ type: UpdateEnvironmentInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      environment: await services.environments.update(access, { ...input, path: ['input'] }),
    }),
  }),
  deleteEnvironment: t.field({
    type: DeleteEnvironmentSuccess,
    description:
      'Deletes an environment that holds no datastores; otherwise you get an InUseError, and a ValidationError while a webhook for all environments belongs to it. The token needs ENVIRONMENTS_WRITE.',
    // an id that is no UUID ends as a ValidationError
    errors: { types: [ValidationError, NotFoundError, InUseError], union: { name: 'DeleteEnvironmentResult' } },
    args: { id: t.arg.id({ required: true, description: 'The environment to delete.', validate: { schema: uuid } }) },
    resolve: async (_root, { id }, { access, services }) => ({
      deletedId: await services.environments.delete(access, id),
    }),
  }),
}));
