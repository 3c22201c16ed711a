import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { labelSought, uuid } from '../../graphql/fields.ts';
import type { AuditEntry, AuditService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly audit: AuditService;
  }
}

const AuditOutcomeRef = builder.enumType('AuditOutcome', {
  description: 'What came of something that somebody wanted done.',
  values: {
    SUCCEEDED: { description: 'It was done; the entry was stored with it, or neither was.' },
    REFUSED: {
      description:
        'The gateway refused it to who may not do it, and changed nothing. `detail.reason` says why; more of the same within a minute is counted, and `detail.more` of a later entry says how many.',
    },
    FAILED: { description: 'It was begun, and failed.' },
  } as const,
});

const AuditEntryRef = builder.objectRef<AuditEntry>('AuditEntry').implement({
  description: 'An entry of the audit log: who did what, when, to what. No entry holds a secret.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID.' }),
    at: t.field({ type: 'DateTime', description: 'When it was done.', resolve: (entry) => entry.at }),
    actor: t.exposeString('actor', {
      description:
        'By whom: the name of a token or a person, or a command such as `command line`; `unknown caller` for whoever was not let in.',
    }),
    onBehalfOf: t.exposeString('onBehalfOf', {
      nullable: true,
      description: 'For whom the actor’s session token acted; null where it said nothing.',
    }),
    action: t.exposeString('action', {
      description:
        'What was done: `datastore.created`, `connection_test.start`, `usage.register`, `token.create`, `environment.delete`; what was refused: the operation, as `Mutation.createDatastore`, or `sign_in`.',
    }),
    environmentId: t.exposeID('environmentId', {
      nullable: true,
      description:
        'In which environment, which may be gone by now; null for what belongs to none: tokens, and environments themselves.',
    }),
    subjectType: t.exposeString('subjectType', {
      description:
        'What kind of thing it was done to: `datastore`, `usage`, `token`, `environment`; `connection_test` for the test of a draft, while those of a datastore stand with it; `operation` for one that was refused.',
    }),
    subjectId: t.exposeID('subjectId', {
      nullable: true,
      description: 'To what it was done, which may be gone by now; null where there is no such thing.',
    }),
    outcome: t.field({ type: AuditOutcomeRef, description: 'What came of it.', resolve: (entry) => entry.outcome }),
    detail: t.field({
      type: 'JSON',
      description: 'More about it, by its action: names, versions, the paths of what changed; never a secret.',
      resolve: (entry) => entry.detail,
    }),
  }),
});

const AuditEntryConnection = connectionType<AuditEntry>('AuditEntry', AuditEntryRef);

builder.queryField('auditLog', (t) =>
  t.field({
    type: AuditEntryConnection,
    description:
      'Who did what, the newest first. An entry has to meet each condition that you give. A token that is not for all environments sees the entries of its own alone, and none without an environment. The token needs AUDIT_READ.',
    args: {
      environmentId: t.arg.id({
        description: 'Leave it out for every environment that you may see. Deleted ones keep their entries.',
        validate: { schema: uuid },
      }),
      datastoreId: t.arg.id({
        description:
          'What was done to this datastore itself; it may be deleted by now. Where several have had its id one after the other, the last of them is meant: `subjectId` finds the entries of all.',
        validate: { schema: uuid },
      }),
      subjectId: t.arg.id({
        description: 'What was done to the thing with this id: a usage, a token, an environment.',
        validate: { schema: uuid },
      }),
      actor: t.arg.string({ description: 'AuditEntry.actor, whole.', validate: { schema: labelSought } }),
      action: t.arg.string({ description: 'AuditEntry.action, whole.', validate: { schema: labelSought } }),
      outcome: t.arg({ type: AuditOutcomeRef, description: 'What came of it.' }),
      from: t.arg({ type: 'DateTime', description: 'What was done then or later.' }),
      until: t.arg({ type: 'DateTime', description: 'What was done before then.' }),
      ...pageArguments,
    },
    resolve: (_root, { first, after, last, before, ...given }, { access, services }) =>
      services.audit.list(
        access,
        {
          environmentId: given.environmentId ?? null,
          datastoreId: given.datastoreId ?? null,
          subjectId: given.subjectId ?? null,
          actor: given.actor ?? null,
          action: given.action ?? null,
          outcome: given.outcome ?? null,
          from: given.from ?? null,
          until: given.until ?? null,
        },
        { first, after, last, before },
      ),
  }),
);
