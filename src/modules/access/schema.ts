import { builder } from '../../graphql/builder.ts';
import type { Access, Scope, scopes } from './access.ts';
import type { AccessService } from './service.ts';
import type { TokenRow } from './store.ts';

declare module '../../graphql/context.ts' {
  interface Scopes extends Record<Scope, true> {}
  interface Context {
    /** The caller. A request without a valid token never gets this far. */
    readonly access: Access;
  }
  interface Services {
    readonly access: AccessService;
  }
}

export const ScopeRef = builder.enumType('Scope', {
  description:
    'What a token may be used for. `connectors`, `parseConnection`, `viewer` and `environments` need a token, but no scope.',
  values: {
    DATASTORES_READ: {
      description:
        'Read datastores, their versions, tests, catalogs and usages, data structures and manifests; follow datastores and tests.',
    },
    DATASTORES_WRITE: {
      description:
        'Create, change, revert and delete datastores, data structures and webhooks; apply manifests and clone environments; run checks that write.',
    },
    DATASTORES_TEST: { description: 'Start and cancel connection tests, of drafts as well, and read catalogs anew.' },
    USAGES_WRITE: { description: 'Register what depends on a datastore, and take it off the list again.' },
    RECORDS_READ: { description: 'Read, follow and export the records of managed datastores.' },
    RECORDS_WRITE: { description: 'Put, delete and import the records of managed datastores.' },
    ENVIRONMENTS_WRITE: { description: 'Create, rename and delete environments.' },
    TOKENS_ADMIN: { description: 'List, make and revoke tokens, none of which allows more than your own.' },
    AUDIT_READ: { description: 'Read the audit log.' },
    PROCESSES_READ: {
      description: 'Read which processes serve and take tests; for a token for all environments.',
    },
    TESTS_RUN: {
      description:
        'Take connection tests and run them, with the secrets that they need: for `worker --gateway`, and nobody else.',
    },
  } satisfies Record<(typeof scopes)[number], { description: string }>,
});

/** The module that knows environments adds `environments`. */
export const ApiTokenRef = builder.objectRef<TokenRow>('ApiToken').implement({
  description: 'A bearer token, by which the gateway knows its callers. The token itself can never be read back.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID. It is no secret.' }),
    name: t.exposeString('name', {
      description:
        'The token’s unique name; a session token has that of the token which made it. It stands in every createdBy, updatedBy, requestedBy and actor.',
    }),
    prefix: t.exposeString('prefix', { description: 'The token’s first characters, by which you recognise it.' }),
    scopes: t.field({
      type: [ScopeRef],
      description: 'What the token may be used for.',
      resolve: (token) => JSON.parse(token.scopes) as (typeof scopes)[number][],
    }),
    onBehalfOf: t.string({
      nullable: true,
      description:
        'For whom a session token acts. It stands beside the name: in createdOnBehalfOf, updatedOnBehalfOf, requestedOnBehalfOf and onBehalfOf.',
      resolve: (token) => token.on_behalf_of,
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When the token was made.',
      resolve: (token) => token.created_at,
    }),
    createdBy: t.string({
      description:
        'The name of the token that made it; `command line`, `bootstrap` or `sign-in link` where it was none.',
      resolve: (token) => token.created_by,
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the token stops working; null when it never does.',
      resolve: (token) => token.expires_at,
    }),
    lastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the token was last used, to the minute; null when it never was.',
      resolve: (token) => token.last_used_at,
    }),
    revokedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the token was revoked, or the one that made it; null when neither was.',
      resolve: (token) => token.revoked_at,
    }),
  }),
});

const ViewerRef = builder.objectRef<Access>('Viewer').implement({
  description: 'Who is asking.',
  fields: (t) => ({
    token: t.field({
      type: ApiTokenRef,
      description: 'The token that the request came with: it says which scopes and environments you have.',
      resolve: (access, _arguments, context) => context.services.access.viewerToken(access),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerRef,
    description: 'Who is asking, and what their token allows.',
    resolve: (_root, _arguments, { access }) => access,
  }),
);
