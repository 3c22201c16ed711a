import { z } from 'zod';
import { NotFoundError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { boundedList, label, uuid } from '../../graphql/fields.ts';
import { scopes } from '../access/access.ts';
import { ApiTokenRef, ScopeRef } from '../access/schema.ts';
import type { MadeToken } from '../access/service.ts';
import { type SessionTokenService, sessionMinutes } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly sessionTokens: SessionTokenService;
  }
}

const MAX_ENVIRONMENTS = 100;

const CreateSessionTokenInput = builder.inputType('CreateSessionTokenInput', {
  description: 'What the page of one user may do, and for how long.',
  fields: (t) => ({
    scopes: t.field({
      type: [ScopeRef],
      required: true,
      description:
        'Some of your own token’s scopes: a page that shows datastores needs DATASTORES_READ, one that shows connectors alone needs none.',
      validate: { schema: boundedList(z.enum(scopes), { max: scopes.length }) },
    }),
    environmentIds: t.idList({
      description: `Some of your own token’s environments, ${MAX_ENVIRONMENTS} at most. Leave it out where there is just one.`,
      validate: { schema: boundedList(uuid, { min: 1, max: MAX_ENVIRONMENTS }) },
    }),
    expiresInMinutes: t.int({
      description: `1 to ${sessionMinutes.max}, and no longer than your own token. Left out: ${sessionMinutes.default}, or what is left of your own token.`,
      validate: { schema: z.number().min(1).max(sessionMinutes.max) },
    }),
    onBehalfOf: t.string({
      description:
        'For whom the page acts: the name or the id of its user, on one line of at most 128 characters. It is told of everything that is done with the token.',
      validate: { schema: label },
    }),
  }),
});

const CreateSessionTokenSuccess = builder.objectRef<MadeToken>('CreateSessionTokenSuccess').implement({
  description: 'The token is made. This answer is not to be stored, nor logged.',
  fields: (t) => ({
    token: t.exposeString('token', {
      description: 'The token. It is shown this once: give it to the page, and keep it nowhere.',
    }),
    apiToken: t.field({ type: ApiTokenRef, description: 'What may be known of it.', resolve: ({ row }) => row }),
  }),
});

builder.mutationField('createSessionToken', (t) =>
  t.field({
    type: CreateSessionTokenSuccess,
    description:
      'Makes a short-lived token for the page of one user, so that no lasting one stands in a browser. Your backend asks for it with its own token: it allows no more than that, for no longer, and ends when that is revoked or expires. It needs no scope. A session token makes no tokens itself: FORBIDDEN.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'CreateSessionTokenResult' } },
    args: {
      input: t.arg({
        type: CreateSessionTokenInput,
        required: true,
        description: 'What the token allows, for how long and for whom.',
      }),
    },
    resolve: (_root, { input }, { access, services }) =>
      services.sessionTokens.create(access, { ...input, path: ['input'] }),
  }),
);
