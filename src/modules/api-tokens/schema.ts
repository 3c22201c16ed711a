import { z } from 'zod';
import { NameTakenError, NotFoundError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { boundedList, label, uuid } from '../../graphql/fields.ts';
import { scopes } from '../access/access.ts';
import { ApiTokenRef, ScopeRef } from '../access/schema.ts';
import type { MadeToken } from '../access/service.ts';
import type { ApiTokenService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly apiTokens: ApiTokenService;
  }
}

const MAX_ENVIRONMENTS = 100;

const ApiTokenConnection = connectionType('ApiToken', ApiTokenRef);

builder.queryField('apiTokens', (t) =>
  t.field({
    type: ApiTokenConnection,
    description:
      'The lasting tokens all of whose environments are yours too, revoked and expired ones included, the newest first. The token needs TOKENS_ADMIN.',
    args: {
      parentId: t.arg.id({
        description:
          'Give the id of a token to list the session tokens that it has made instead. They are listed for about an hour after their end.',
        validate: { schema: uuid },
      }),
      sessionsOf: t.arg.id({
        deprecationReason: 'Give parentId, which counts where both are given.',
        description: 'The same as parentId.',
        validate: { schema: uuid },
      }),
      ...pageArguments,
    },
    resolve: (_root, { parentId, sessionsOf, ...page }, { access, services }) =>
      services.access.list(access, parentId ?? sessionsOf ?? null, page),
  }),
);

const CreateApiTokenInput = builder.inputType('CreateApiTokenInput', {
  description: 'What a lasting token may do: nothing beyond what your own may.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description:
        'A name that no token of this gateway has, on one line of at most 128 characters: it stands wherever the gateway says who did something.',
      validate: { schema: label },
    }),
    scopes: t.field({
      type: [ScopeRef],
      required: true,
      description: 'Some of your own token’s scopes.',
      validate: { schema: boundedList(z.enum(scopes), { max: scopes.length }) },
    }),
    environmentIds: t.idList({
      description: `Some of your own token’s environments, ${MAX_ENVIRONMENTS} at most. Give these or \`allEnvironments: true\`.`,
      validate: { schema: boundedList(uuid, { min: 1, max: MAX_ENVIRONMENTS }) },
    }),
    allEnvironments: t.boolean({
      required: true,
      defaultValue: false,
      description: 'True for every environment, those made later included: your own token has to be for all as well.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description:
        'When the token stops working: no later than your own. Left out: together with your own, or never when that never does.',
    }),
  }),
});

const CreateApiTokenSuccess = builder.objectRef<MadeToken>('CreateApiTokenSuccess').implement({
  description: 'The token was made.',
  fields: (t) => ({
    token: t.exposeString('token', {
      description: 'The token. It is shown this once, and nobody can read it again: put it where its bearer finds it.',
    }),
    apiToken: t.field({
      type: ApiTokenRef,
      description: 'What can be read of it from now on.',
      resolve: ({ row }) => row,
    }),
  }),
});

const RevokeApiTokenSuccess = builder.objectRef<{ apiToken: MadeToken['row'] }>('RevokeApiTokenSuccess').implement({
  description: 'The token is revoked.',
  fields: (t) => ({
    apiToken: t.field({
      type: ApiTokenRef,
      description: 'The token, with the time at which it was revoked.',
      resolve: ({ apiToken }) => apiToken,
    }),
  }),
});

builder.mutationFields((t) => ({
  createApiToken: t.field({
    type: CreateApiTokenSuccess,
    description:
      'Makes a lasting token and shows it, this once. It allows nothing beyond what your own allows. A session token makes no tokens: FORBIDDEN. The token needs TOKENS_ADMIN.',
    errors: { types: [ValidationError, NotFoundError, NameTakenError], union: { name: 'CreateApiTokenResult' } },
    args: { input: t.arg({ type: CreateApiTokenInput, required: true, description: 'The token to make.' }) },
    resolve: (_root, { input }, { access, services }) =>
      services.apiTokens.create(access, { ...input, path: ['input'] }),
  }),
  revokeApiToken: t.field({
    type: RevokeApiTokenSuccess,
    description:
      'Revokes a token for ever, with the session tokens that it has made; or one session token. What they have open ends within five seconds. One that is revoked already stays as it is. The token needs TOKENS_ADMIN.',
    // an id that is no UUID ends as a ValidationError
    errors: { types: [ValidationError, NotFoundError], union: { name: 'RevokeApiTokenResult' } },
    args: {
      id: t.arg.id({
        required: true,
        description: 'The id of a token all of whose environments are yours too.',
        validate: { schema: uuid },
      }),
    },
    resolve: async (_root, { id }, { access, services }) => ({ apiToken: await services.access.revoke(access, id) }),
  }),
}));
