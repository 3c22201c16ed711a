import { z } from 'zod';
import type { Answerable } from '../../connectors/kit/config/shape.ts';
import {
  ConflictError,
  NameTakenError,
  NotFoundError,
  QuotaExceededError,
  RecordsMisfitError,
  SecretsRequiredError,
  ValidationError,
} from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { idempotencyKeyField, uuid } from '../../graphql/fields.ts';
import type { Datastore } from '../datastores/datastore.ts';
import { DatastoreRef } from '../datastores/schema.ts';
import { DatastoreConfigPatch, forceField } from '../datastores/schema-inputs.ts';
import { type RevisionChange, withoutSecrets } from './changes.ts';
import type { Purged, RevisionRow, RevisionService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly revisions: RevisionService;
  }
}

const MAX_VERSION = 2 ** 31 - 1;

/** A stored version with its datastore, by which its secrets are known. */
interface Shown extends RevisionRow {
  readonly datastore: Datastore;
}

export const RevisionChangeRef = builder.objectRef<RevisionChange>('RevisionChange').implement({
  description: 'What a version changed at one place of the datastore.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'The place: `label`, `tenancy.tableName`, `config.host`.' }),
    isSecret: t.exposeBoolean('isSecret', {
      description: 'Whether a secret stands there: that it changed is told, its value never.',
    }),
    before: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What stood there before; null for nothing, and for a secret, always.',
      // a JSON value of a config without its secrets
      resolve: (change) => change.before as Answerable | null,
    }),
    after: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What has stood there since; null for nothing, and for a secret, always.',
      resolve: (change) => change.after as Answerable | null,
    }),
  }),
});

const DatastoreRevisionRef = builder.objectRef<Shown>('DatastoreRevision').implement({
  description: 'One version of a datastore: who made it, when, and what it changed.',
  fields: (t) => ({
    version: t.exposeInt('version', { description: 'Its number: what revertDatastore takes as toVersion.' }),
    at: t.field({ type: 'DateTime', description: 'When it was made.', resolve: (revision) => revision.at }),
    actor: t.exposeString('actor', { description: 'The name of the token that made it.' }),
    onBehalfOf: t.string({
      nullable: true,
      description: 'For whom it was made, where a session token’s onBehalfOf said so.',
      resolve: (revision) => revision.on_behalf_of,
    }),
    secretsKept: t.boolean({
      description:
        'Whether a revert to it needs no secret given again: it had none, they are in use, or they are still kept.',
      resolve: ({ datastore, version, sealed, secret_paths }) =>
        version === datastore.version || sealed !== null || secret_paths === '[]',
    }),
    changes: t.field({
      type: [RevisionChangeRef],
      description:
        'What it changed, from what to what; of the first version, all that it was given. Empty for a version that was made before the gateway kept revisions.',
      resolve: ({ datastore, changes }) => withoutSecrets(datastore.type, JSON.parse(changes) as RevisionChange[]),
    }),
  }),
});

const DatastoreRevisionConnection = connectionType('DatastoreRevision', DatastoreRevisionRef);

builder.interfaceField(DatastoreRef, 'revisions', (t) =>
  t.field({
    type: DatastoreRevisionConnection,
    description: 'The versions of the datastore, the newest first.',
    args: pageArguments,
    resolve: async (datastore, page, { access, services }) => {
      const { edges, ...rest } = await services.revisions.list(access, datastore.id, page);
      return { ...rest, edges: edges.map(({ cursor, node }) => ({ cursor, node: { ...node, datastore } })) };
    },
  }),
);

const RevertDatastoreInput = builder.inputType('RevertDatastoreInput', {
  description: 'To which version a datastore goes back.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The datastore.', validate: { schema: uuid } }),
    toVersion: t.int({
      required: true,
      description: 'DatastoreRevision.version: the datastore becomes as it was then, with the secrets of then.',
      validate: { schema: z.number().min(1).max(MAX_VERSION) },
    }),
    expectedVersion: t.int({
      description:
        'The version that is to be replaced. When another one is stored by now, you get a ConflictError. Leave it out to replace whatever is stored.',
    }),
    config: t.field({
      type: DatastoreConfigPatch,
      description:
        'What is to differ from that version’s config: the secrets that are not kept any more, as SecretsRequiredError names them.',
    }),
    force: t.boolean(forceField),
    idempotencyKey: t.string(idempotencyKeyField),
  }),
});

const RevertDatastoreSuccess = builder.objectRef<{ datastore: Datastore }>('RevertDatastoreSuccess').implement({
  description: 'The datastore is as it was, in a new version.',
  fields: (t) => ({
    datastore: t.field({
      type: DatastoreRef,
      description: 'The datastore as it is stored now.',
      resolve: (result) => result.datastore,
    }),
  }),
});

const PurgeRevisionSecretsSuccess = builder.objectRef<Purged>('PurgeRevisionSecretsSuccess').implement({
  description: 'No secret is kept for older versions any more.',
  fields: (t) => ({
    datastore: t.field({
      type: DatastoreRef,
      description: 'The datastore, whose secrets in use are as they were.',
      resolve: (result) => result.datastore,
    }),
    purgedCount: t.exposeInt('purgedCount', { description: 'Of how many versions the secrets were erased.' }),
  }),
});

builder.mutationFields((t) => ({
  revertDatastore: t.field({
    type: RevertDatastoreSuccess,
    description:
      'Makes a new version of a datastore that is as an older one was: config, name, label, tags and all, with that version’s own secrets; only how often its health is checked stays. These are kept for 30 days and 10 versions, unless the operator says otherwise; after that SecretsRequiredError names those to give again in `config`. Nothing is tested: startConnectionTest does that. The token needs DATASTORES_WRITE.',
    errors: {
      types: [
        ValidationError,
        NotFoundError,
        NameTakenError,
        ConflictError,
        SecretsRequiredError,
        QuotaExceededError,
        RecordsMisfitError,
      ],
      union: { name: 'RevertDatastoreResult' },
    },
    args: {
      input: t.arg({ type: RevertDatastoreInput, required: true, description: 'Which datastore, and which version.' }),
    },
    resolve: async (_root, { input }, { access, services }) => ({
      datastore: await services.revisions.revert(access, { ...input, path: ['input'] }),
    }),
  }),
  purgeRevisionSecrets: t.field({
    type: PurgeRevisionSecretsSuccess,
    description:
      'Erases the secrets that are kept for older versions of a datastore, after a leak say. Those in use stay: replace them by updateDatastore first. The token needs DATASTORES_WRITE.',
    // an id that is no UUID ends as a ValidationError
    errors: { types: [ValidationError, NotFoundError], union: { name: 'PurgeRevisionSecretsResult' } },
    args: { datastoreId: t.arg.id({ required: true, description: 'The datastore.', validate: { schema: uuid } }) },
    resolve: (_root, { datastoreId }, { access, services }) => services.revisions.purge(access, datastoreId),
  }),
}));
