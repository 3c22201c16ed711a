import type DataLoader from 'dataloader';
import { builder } from '../../graphql/builder.ts';
import { checkTitle } from '../connection-tests/schema.ts';
import type { Datastore } from '../datastores/datastore.ts';
import { DatastoreRef, HealthStatusRef } from '../datastores/schema.ts';
import type { Health } from './health.ts';
import type { CheckHistory, HealthHistory, HealthWindow } from './history.ts';
import type { HistoryKey } from './loader.ts';

declare module '../../graphql/context.ts' {
  interface Loaders {
    readonly health: DataLoader<string, Health>;
    readonly healthHistory: DataLoader<HistoryKey, HealthHistory>;
  }
}

const HealthWindowRef = builder.enumType('HealthWindow', {
  description: 'How far back a history of health checks reaches, from now on.',
  values: {
    DAY: { description: 'The last 24 hours.' },
    WEEK: { description: 'The last 7 days.' },
    MONTH: { description: 'The last 30 days.' },
  } satisfies Record<HealthWindow, object>,
});

/** About how many hours a window has, in fields of which each takes as long as an hour that is read. */
const WINDOW_COST = { DAY: 20, WEEK: 120, MONTH: 500 } as const satisfies Record<HealthWindow, number>;

const CheckHistoryRef = builder.objectRef<CheckHistory>('CheckHistory').implement({
  description: 'How one check of the health checks went.',
  fields: (t) => ({
    name: t.exposeString('name', {
      description: 'The check’s name, `type/resource/method`: `postgres/session/authenticate`.',
    }),
    title: t.string({ description: 'The check’s name for people.', resolve: ({ name }) => checkTitle(name) }),
    passedCount: t.exposeInt('passedCount', { description: 'How often it passed, with or without a warning.' }),
    medianDurationMs: t.exposeFloat('medianDurationMs', {
      description: 'How long it took in the middle when it passed, in milliseconds of two significant digits.',
    }),
  }),
});

const HealthHistoryRef = builder.objectRef<HealthHistory>('HealthHistory').implement({
  description:
    'How the datastore was over some time, as its health checks saw it, whether or not their tests are kept.',
  fields: (t) => ({
    window: t.field({ type: HealthWindowRef, description: 'What was asked for.', resolve: ({ window }) => window }),
    from: t.field({
      type: 'DateTime',
      description: 'From when on checks count: the beginning of the hour in which the window begins.',
      resolve: ({ from }) => from,
    }),
    checkCount: t.exposeInt('checkCount', {
      description: 'How many checks ended. One that somebody cancelled tells nothing, and is none of them.',
    }),
    passedCount: t.exposeInt('passedCount', { description: 'How many of them passed.' }),
    uptime: t.exposeFloat('uptime', {
      nullable: true,
      description:
        'The share of the time in which the datastore was well, from 0 to 1. What a check found holds until the next one, but no longer than until that is due: time in which nobody looked counts for neither side. Null where no check ended.',
    }),
    medianDurationMs: t.exposeFloat('medianDurationMs', {
      nullable: true,
      description:
        'How long a check of the datastore took in the middle, all in all, of those that passed: in milliseconds of two significant digits. Null where none passed.',
    }),
    checks: t.field({
      type: [CheckHistoryRef],
      description: 'Its parts that passed at least once, in their order.',
      resolve: ({ checks }) => [...checks],
    }),
  }),
});

const HealthRef = builder.objectRef<Health & Pick<Datastore, 'id' | 'checkEveryMinutes'>>('Health').implement({
  description:
    'How the datastore is, as its own checks see it: see `checkEveryMinutes` of its inputs. The tests themselves are `connectionTests(purpose: HEALTH)`.',
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
    certificateExpiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When the certificate ends that the server showed last to a health check, the first of them where there are several; null where none was seen. Webhooks tell of it by CERTIFICATE_EXPIRING.',
      resolve: ({ certificates }) => certificates.expiresAt,
    }),
    history: t.field({
      type: HealthHistoryRef,
      description: 'Uptime and durations over some time. It is kept for 31 days, however long tests are.',
      args: { window: t.arg({ type: HealthWindowRef, required: true, description: 'How far back to look.' }) },
      extensions: {
        cost: (given: (argument: string) => unknown) =>
          WINDOW_COST[given('window') as HealthWindow] ?? WINDOW_COST.MONTH,
      },
      resolve: ({ id }, { window }, { loaders }) => loaders.healthHistory.load({ datastoreId: id, window }),
    }),
  }),
});

builder.interfaceField(DatastoreRef, 'health', (t) =>
  t.field({
    type: HealthRef,
    description: 'How the datastore is, as its health checks see it.',
    resolve: async ({ id, checkEveryMinutes }, _arguments, { loaders }) => ({
      ...(await loaders.health.load(id)),
      id,
      checkEveryMinutes,
    }),
  }),
);
