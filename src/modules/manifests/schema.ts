import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import { anyText } from '../../connectors/kit/config/text.ts';
import {
  ConfirmationRequiredError,
  ConflictError,
  InUseError,
  NotFoundError,
  QuotaExceededError,
  RecordsMisfitError,
  SecretsRequiredError,
  ValidationError,
} from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { boundedList, environmentIdField, uuid } from '../../graphql/fields.ts';
import { RevisionChangeRef } from '../revisions/schema.ts';
import type { ManifestSecret } from './export.ts';
import { MAX_DATASTORES } from './manifest.ts';
import { MAX_MANIFEST } from './manifest-text.ts';
import { hasChanges, type ManifestPlan, type PlannedAction, type PlannedItem, type PlannedKind } from './plan.ts';
import { referenceTo } from './references.ts';
import type { ExportedManifest, ManifestService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly manifests: ManifestService;
  }
}

/** In characters. */
const MAX_SECRET = 65_536;
const MAX_REFERENCE = 1_100;
const MAX_SECRETS = 2_000;
/** What a manifest of the most datastores holds the event loop for, in fields of an answer; see server/cost.ts. */
const COST = 20_000;

const EXAMPLE = referenceTo('env:ORDERS_PASSWORD');

const ManifestSecretRef = builder.objectRef<ManifestSecret>('ManifestSecret').implement({
  description: 'A secret that a manifest names instead of holding it.',
  fields: (t) => ({
    reference: t.exposeString('reference', { description: `What stands in its place: \`${EXAMPLE}\`.` }),
    datastoreName: t.string({
      description: 'The name of the datastore whose secret it is.',
      resolve: ({ datastore }) => datastore,
    }),
    configPath: t.exposeString('configPath', { description: 'Where it stands in the config: `password`.' }),
  }),
});

const ExportedManifestRef = builder.objectRef<ExportedManifest>('ExportManifestSuccess').implement({
  description: 'What an environment holds, as text that can be kept in Git. It holds no secret.',
  fields: (t) => ({
    text: t.exposeString('text', {
      description:
        'YAML, sorted by names, so that what stays the same is written the same. Its JSON Schema is schema/manifest.json.',
    }),
    secrets: t.field({
      type: [ManifestSecretRef],
      description: 'The secrets that are set, and what the text calls them.',
      resolve: ({ secrets }) => [...secrets],
    }),
  }),
});

const PlannedActionRef = builder.enumType('PlannedAction', {
  description: 'What applying a manifest does to a datastore or a data structure.',
  values: {
    CREATE: { description: 'The environment has none of this name.' },
    UPDATE: { description: 'The stored one differs.' },
    DELETE: { description: 'The manifest does not have it, and `prune` says that it goes.' },
    UNCHANGED: { description: 'The stored one is as the manifest says.' },
  } satisfies Record<PlannedAction, object>,
});

const PlannedKindRef = builder.enumType('PlannedKind', {
  description: 'What a manifest has.',
  values: {
    DATA_STRUCTURE: { description: 'A data structure.' },
    DATASTORE: { description: 'A datastore.' },
  } satisfies Record<PlannedKind, object>,
});

const PlannedItemRef = builder.objectRef<PlannedItem>('PlannedItem').implement({
  description: 'What a manifest does to one datastore or data structure.',
  fields: (t) => ({
    kind: t.field({ type: PlannedKindRef, description: 'Which of the two it is.', resolve: ({ kind }) => kind }),
    name: t.exposeString('name', { description: 'Its name, unique within its kind.' }),
    action: t.field({ type: PlannedActionRef, description: 'What is done to it.', resolve: ({ action }) => action }),
    id: t.exposeID('id', { nullable: true, description: 'Its id; null while it is not stored.' }),
    changes: t.field({
      type: [RevisionChangeRef],
      description:
        'What changes at which place: `label`, `config.host`, `fields.price`. Of what is deleted, nothing is told.',
      resolve: ({ changes }) => [...changes],
    }),
    keptSecrets: t.stringList({
      description: 'The secrets that were not given, as the manifest names them: they stay as they are stored.',
      resolve: ({ keptSecrets }) => [...keptSecrets],
    }),
    missingSecrets: t.stringList({
      description: 'The secrets that were not given and have to be: nothing is applied without them.',
      resolve: ({ missingSecrets }) => [...missingSecrets],
    }),
  }),
});

const ManifestPlanRef = builder.objectRef<ManifestPlan>('ManifestPlan').implement({
  description: 'What applying a manifest does to an environment, or has done.',
  fields: (t) => ({
    environmentId: t.exposeID('environmentId', { description: 'The environment.' }),
    hasChanges: t.boolean({ description: 'Whether anything differs.', resolve: hasChanges }),
    items: t.field({
      type: [PlannedItemRef],
      description: 'Data structures, then datastores, each sorted by name; those that stay as they are, too.',
      resolve: ({ items }) => [...items],
    }),
  }),
});

const ManifestSecretInput = builder.inputType('ManifestSecretInput', {
  description:
    'The value of a secret that the manifest names. The gateway never looks for one in its own environment or files.',
  fields: (t) => ({
    reference: t.string({
      required: true,
      description: `What stands in its place in the manifest: \`${EXAMPLE}\`.`,
      validate: { schema: anyText(MAX_REFERENCE) },
    }),
    value: t.string({ required: true, description: 'The secret.', validate: { schema: anyText(MAX_SECRET) } }),
  }),
});

const secretList = boundedList(z.unknown(), { max: MAX_SECRETS });
const manifestField = {
  required: true,
  description: `YAML of at most 512 KiB and ${MAX_DATASTORES} datastores, as exportManifest writes it. Issues say at which line and column.`,
  // zod counts characters beyond the first plane once, and the text is judged by what JavaScript counts
  validate: {
    schema: z
      .string()
      .refine((text) => text.length <= MAX_MANIFEST, issue('TOO_LONG', `At most ${MAX_MANIFEST} characters.`)),
  },
} as const;
const pruneField = {
  defaultValue: false,
  description: 'True to delete what the environment has and the manifest does not.',
} as const;
const confirmedField = {
  defaultValue: false,
  description: 'True to delete also what something depends on.',
} as const;

const PlanManifestInput = builder.inputType('PlanManifestInput', {
  description: 'A manifest, and the environment that it is compared with.',
  fields: (t) => ({
    environmentId: t.id(environmentIdField),
    manifest: t.string(manifestField),
    secrets: t.field({
      type: [ManifestSecretInput],
      description:
        'Secrets that the manifest names, to be compared with the stored ones. Of those that are left out, the stored ones are taken to stay. The token needs DATASTORES_WRITE, as it does where the manifest itself holds a secret.',
      validate: { schema: secretList as never },
    }),
    prune: t.boolean(pruneField),
  }),
});

const ApplyManifestInput = builder.inputType('ApplyManifestInput', {
  description: 'A manifest, and the environment that it is applied to.',
  fields: (t) => ({
    environmentId: t.id(environmentIdField),
    manifest: t.string(manifestField),
    secrets: t.field({
      type: [ManifestSecretInput],
      description: 'Secrets that the manifest names. Of those that are left out, the stored ones stay.',
      validate: { schema: secretList as never },
    }),
    prune: t.boolean(pruneField),
    confirmed: t.boolean(confirmedField),
  }),
});

const CloneEnvironmentInput = builder.inputType('CloneEnvironmentInput', {
  description: 'Two environments, of which the second one becomes like the first.',
  fields: (t) => ({
    sourceId: t.id({ required: true, description: 'The environment to copy.', validate: { schema: uuid } }),
    targetId: t.id({
      required: true,
      description:
        'The environment that is to hold the same. What it has by another name stays, unless `prune` says otherwise.',
      validate: { schema: uuid },
    }),
    prune: t.boolean({ ...pruneField, description: 'True to delete what the target has and the source does not.' }),
    confirmed: t.boolean(confirmedField),
  }),
});

const NEEDS_READ = ' The token needs DATASTORES_READ.';
const planned = (name: string, description: string, needs = '') =>
  builder.objectRef<{ readonly plan: ManifestPlan }>(name).implement({
    description,
    fields: (t) => ({
      plan: t.field({
        type: ManifestPlanRef,
        description: `What is done to each datastore and data structure.${needs}`,
        resolve: ({ plan }) => plan,
      }),
    }),
  });
builder.queryFields((t) => ({
  exportManifest: t.field({
    type: ExportedManifestRef,
    description:
      'Writes what an environment holds as a manifest, for Git: datastores with tags, owner, tenancy and how often they are checked, and data structures. planManifest then says that nothing differs. The token needs DATASTORES_READ.',
    extensions: { cost: COST },
    errors: { types: [ValidationError, NotFoundError], union: { name: 'ExportManifestResult' } },
    args: { environmentId: t.arg.id(environmentIdField) },
    resolve: (_root, { environmentId }, { access, services }) =>
      services.manifests.export(access, { environmentId: environmentId ?? null, path: [] }),
  }),
  planManifest: t.field({
    type: planned('PlanManifestSuccess', 'The manifest can be compared with the environment.'),
    description:
      'Tells what applyManifest would do. Nothing is stored, resolved or connected to, so an address that may not be connected to is told by applyManifest alone. Since the input may hold secrets, send it by POST or WebSocket. The token needs DATASTORES_READ.',
    extensions: { postOnly: true, cost: COST },
    errors: { types: [ValidationError, NotFoundError, SecretsRequiredError], union: { name: 'PlanManifestResult' } },
    args: { input: t.arg({ type: PlanManifestInput, required: true, description: 'What to compare.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      plan: await services.manifests.plan(access, { ...input, path: ['input'] }),
    }),
  }),
}));

const refusals = [
  ValidationError,
  NotFoundError,
  SecretsRequiredError,
  ConflictError,
  ConfirmationRequiredError,
  InUseError,
  QuotaExceededError,
  RecordsMisfitError,
];

builder.mutationFields((t) => ({
  applyManifest: t.field({
    type: planned('ApplyManifestSuccess', 'The environment is as the manifest says.', NEEDS_READ),
    description:
      'Makes an environment as a manifest says, all at once or not at all; each change is journaled and kept as a version, as any other is. Sent again, it changes nothing. No connection is tested. The token needs DATASTORES_WRITE.',
    extensions: { cost: COST },
    errors: { types: refusals, union: { name: 'ApplyManifestResult' } },
    args: { input: t.arg({ type: ApplyManifestInput, required: true, description: 'What to apply.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      plan: await services.manifests.apply(access, { ...input, path: ['input'] }, input.confirmed ?? false),
    }),
  }),
  cloneEnvironment: t.field({
    type: planned('CloneEnvironmentSuccess', 'The target holds what the source holds.', NEEDS_READ),
    description:
      'Makes an environment hold the datastores and data structures of another one, with their secrets, which go only where they went before. Health, tests, catalogs, usages and versions are not copied. The token needs DATASTORES_WRITE, and both environments.',
    extensions: { cost: COST },
    errors: { types: refusals, union: { name: 'CloneEnvironmentResult' } },
    args: { input: t.arg({ type: CloneEnvironmentInput, required: true, description: 'What to clone.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      plan: await services.manifests.clone(access, { ...input, path: ['input'] }, input.confirmed ?? false),
    }),
  }),
}));
