import { builder } from '../../graphql/builder.ts';
import type { Access, scopes } from './access.ts';
import type { AccessService } from './service.ts';
import type { TokenRow } from './store.ts';

declare module '../../graphql/context.ts' {
  interface Context {
    /** The caller. A request without a valid token never gets this far. */
    readonly access: Access;
  }
  interface Services {
    readonly access: AccessService;
  }
}

const ScopeRef = builder.enumType('Scope', {
  description:
    'What a token allows. `connectors`, `viewer` and the caller’s own environments need a token, but no scope.',
  values: {
    DATASTORES_READ: { description: 'Read datastores and tests, and follow both subscriptions.' },
    DATASTORES_WRITE: { description: 'Create, update and delete datastores; run checks that write.' },
    DATASTORES_TEST: { description: 'Start and cancel connection tests, of drafts too.' },
    ENVIRONMENTS_WRITE: { description: 'Create, rename and delete environments.' },
  } satisfies Record<(typeof scopes)[number], { description: string }>,
});

/** The module that knows environments adds `environments`. */
export const ApiTokenRef = builder.objectRef<TokenRow>('ApiToken').implement({
  description: 'A bearer token, by which the gateway knows its callers. The token itself is never readable.',
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name', { description: 'Unique; stands in every createdBy, requestedBy and actor.' }),
    prefix: t.exposeString('prefix', { description: 'Its first characters, to recognise it by.' }),
    scopes: t.field({ type: [ScopeRef], resolve: (token) => JSON.parse(token.scopes) as (typeof scopes)[number][] }),
    createdAt: t.field({ type: 'DateTime', resolve: (token) => token.created_at }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Null: never.',
      resolve: (token) => token.expires_at,
    }),
    lastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'To the minute.',
      resolve: (token) => token.last_used_at,
    }),
    revokedAt: t.field({ type: 'DateTime', nullable: true, resolve: (token) => token.revoked_at }),
  }),
});

const ViewerRef = builder.objectRef<Access>('Viewer').implement({
  description: 'The caller.',
  fields: (t) => ({
    token: t.field({
      type: ApiTokenRef,
      description: 'Says which scopes and environments the caller has.',
      resolve: (access, _arguments, context) => context.services.access.viewerToken(access),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerRef,
    description: 'The caller: what its token allows.',
    resolve: (_root, _arguments, { access }) => access,
  }),
);
