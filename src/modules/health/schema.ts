import type DataLoader from 'dataloader';
import { builder } from '../../graphql/builder.ts';
import type { Datastore } from '../datastores/datastore.ts';
import { DatastoreRef, HealthStatusRef } from '../datastores/schema.ts';
import type { Health } from './health.ts';

declare module '../../graphql/context.ts' {
  interface Loaders {
    readonly health: DataLoader<string, Health>;
  }
}

const HealthRef = builder.objectRef<Health & Pick<Datastore, 'checkEveryMinutes'>>('Health').implement({
  description:
    'How the datastore is, as its own checks see it: see `checkEveryMinutes` of its inputs. Its history is `connectionTests(purpose: HEALTH)`.',
  fields: (t) => ({
    status: t.field({
      type: HealthStatusRef,
      description:
        'What the checks found. The first result counts at once; after that two in a row change it, so that one lost packet changes nothing.',
      resolve: ({ status }) => status,
    }),
    since: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Since when it is so; null while nothing is known.',
      resolve: ({ since }) => since,
    }),
    checkEveryMinutes: t.int({
      nullable: true,
      description: 'How often it is checked; null when it is not.',
      resolve: ({ checkEveryMinutes }) => checkEveryMinutes,
    }),
    nextCheckAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When the next check comes at about; null when none does. While checks fail they come less often: after twice, four and at last eight times the pause.',
      resolve: ({ checkEveryMinutes, nextCheckAt }) => (checkEveryMinutes === null ? null : nextCheckAt),
    }),
    pausedReason: t.exposeString('pausedReason', {
      nullable: true,
      description:
        'Why no more checks are made although they are wanted, and what to do; null while they are. Any change of the datastore goes on with them.',
    }),
  }),
});

builder.interfaceField(DatastoreRef, 'health', (t) =>
  t.field({
    type: HealthRef,
    description: 'How the datastore is, as its health checks see it.',
    resolve: async ({ id, checkEveryMinutes }, _arguments, { loaders }) => ({
      ...(await loaders.health.load(id)),
      checkEveryMinutes,
    }),
  }),
);
