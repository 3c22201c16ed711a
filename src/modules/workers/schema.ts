import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import { NotFoundError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { boundedList, label, uuid } from '../../graphql/fields.ts';
import { eventOf, streamOf } from '../../graphql/stream.ts';
import { NETWORK_NAME_RULE, networkName } from '../environments/name.ts';
import { publicKey } from './key.ts';
import type { SealedLease } from './lease.ts';
import { MOST_LEASES, type WorkerService, type WorkerSignal, type WorkerTended } from './service.ts';
import { type ToldKind, type ToldStatus, toldKinds, toldStatuses } from './told-event.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly workers: WorkerService;
  }
}

/*
 * What `worker --gateway` asks a gateway. It is part of the API so that there is one endpoint, one kind of token and
 * one set of limits; nobody else need use it.
 */

const MOST_RUNNING = 1_000;
const MOST_EVENTS = 500;
const MOST_TEXT = 1_024;
const FOR_WORKERS = 'For `worker --gateway`. The token needs TESTS_RUN.';

const workerId = {
  required: true,
  description: 'The worker’s own id, of tendWorker.',
  validate: { schema: uuid },
} as const;
const idsOfTests = boundedList(uuid, { max: MOST_RUNNING });
const text = z.string().max(MOST_TEXT, { abort: true });
const notNegative = z.number().min(0);

const WorkerInput = builder.inputType('TendWorkerInput', {
  description: 'What a worker is and runs.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'A UUID that the worker makes at its start.', validate: { schema: uuid } }),
    host: t.string({ required: true, description: 'The name of its machine.', validate: { schema: label } }),
    version: t.string({ required: true, description: 'The version that it runs.', validate: { schema: label } }),
    network: t.string({
      description: `The network whose tests it takes: ${NETWORK_NAME_RULE}. Left out: those of environments without one. It stays what it was at first.`,
      validate: { schema: networkName },
    }),
    capacity: t.int({
      required: true,
      description: 'How many tests it runs at once.',
      validate: { schema: notNegative },
    }),
    publicKey: t.string({
      required: true,
      description:
        'Its X25519 key, 32 bytes in base64url without padding: what its tests need is sealed to it. It stays what it was at first.',
      validate: { schema: publicKey },
    }),
    testIds: t.idList({
      required: true,
      description: 'The tests that it runs, whose leases are renewed for 15 seconds.',
      validate: { schema: idsOfTests },
    }),
    stops: t.boolean({ description: 'True when it runs nothing any more and stops: it is no longer in `processes`.' }),
  }),
});

const TendWorkerSuccess = builder.objectRef<WorkerTended>('TendWorkerSuccess').implement({
  description: 'The worker is known, and keeps what it runs.',
  fields: (t) => ({
    now: t.field({
      type: 'DateTime',
      description: 'The time by the database’s clock, which rules leases and deadlines.',
      resolve: ({ now }) => now,
    }),
    cancelled: t.field({
      type: ['ID'],
      description: 'The tests that it runs and that somebody wants cancelled.',
      resolve: ({ cancelled }) => [...cancelled],
    }),
  }),
});

const LeaseTestsInput = builder.inputType('LeaseTestsInput', {
  description: 'How many tests a worker takes.',
  fields: (t) => ({
    workerId: t.id(workerId),
    limit: t.int({
      required: true,
      description: `How many tests it takes at most; never more than ${MOST_LEASES}.`,
      validate: { schema: z.number().min(1) },
    }),
    testIds: t.idList({
      description:
        'The tests that it runs, after an answer was lost: others that it was given it is given again, or they are queued anew where they had begun. Left out: none are.',
      validate: { schema: idsOfTests },
    }),
  }),
});

const TestLeaseRef = builder.objectRef<SealedLease>('TestLease').implement({
  description:
    'A test that a worker has taken, for 15 seconds unless it says that it runs it. A worker that lets a lease go loses the test to another.',
  fields: (t) => ({
    testId: t.exposeID('testId', { description: 'The test.' }),
    attempt: t.exposeInt('attempt', { description: 'How often somebody has taken it: the lease counts in this one.' }),
    sequence: t.exposeInt('sequence', { description: 'The number of its last event: the worker’s first is the next.' }),
    sealed: t.exposeString('sealed', {
      description:
        'What the test needs, secrets included, sealed to the worker’s key by HPKE (RFC 9180: base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM): encapsulated key and ciphertext in base64url. Neither a proxy before the gateway nor a log of answers can read it.',
    }),
  }),
});

const LeaseTestsSuccess = builder.objectRef<{ leases: SealedLease[] }>('LeaseTestsSuccess').implement({
  description: 'The tests are the worker’s.',
  fields: (t) => ({
    leases: t.field({
      type: [TestLeaseRef],
      description: 'The oldest tests that waited in the environments of its token and its network; empty for none.',
      resolve: ({ leases }) => leases,
    }),
  }),
});

const kindTexts: Readonly<Record<ToldKind, string>> = {
  BEGUN: 'The worker runs the test.',
  CHECK_STARTED: 'A check begins.',
  CHECK_ENDED: 'A check has ended, with status, duration, evidence and perhaps a failure.',
  RESTARTED: 'All checks begin anew, since the worker lost the process that ran them.',
  ENDED: 'The test has ended, with status and perhaps a failure.',
  HANDED_BACK: 'The worker does not go on with the test, which is queued anew.',
};

const WorkerEventKindRef = builder.enumType('WorkerEventKind', {
  description: 'What a worker tells of a test.',
  values: Object.fromEntries(toldKinds.map((kind) => [kind, { description: kindTexts[kind] }])) as Record<
    ToldKind,
    { description: string }
  >,
});

const statusTexts: Readonly<Record<ToldStatus, string>> = {
  PASSED: 'All is well.',
  WARNING: 'The check passed, and there is something to look at.',
  FAILED: 'It failed, for the reason in `failure`.',
  CANCELLED: 'Somebody wanted the test cancelled.',
};

const WorkerEventStatusRef = builder.enumType('WorkerEventStatus', {
  description: 'How a check or a test ended.',
  values: Object.fromEntries(toldStatuses.map((status) => [status, { description: statusTexts[status] }])) as Record<
    ToldStatus,
    { description: string }
  >,
});

const WorkerEvidenceInput = builder.inputType('WorkerEvidenceInput', {
  description: 'What a check found out.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What it is.', validate: { schema: text } }),
    value: t.string({ required: true, description: 'What it was found to be.', validate: { schema: text } }),
  }),
});

const WorkerFailureInput = builder.inputType('WorkerFailureInput', {
  description: 'Why something failed. Cause and message are the gateway’s own, by the code.',
  fields: (t) => ({
    code: t.string({
      required: true,
      description: 'One of the codes of CheckFailure.code.',
      validate: { schema: text },
    }),
    hint: t.string({ description: 'What to do, where it is otherwise than usual.', validate: { schema: text } }),
    configPath: t.string({ description: 'The field of the config to mend.', validate: { schema: text } }),
  }),
});

const WorkerEventInput = builder.inputType('WorkerEventInput', {
  description:
    'What happened to a test. Events of a test come in their order; one that is written already is passed over.',
  fields: (t) => ({
    testId: t.id({ required: true, description: 'The test.', validate: { schema: uuid } }),
    attempt: t.int({ required: true, description: 'TestLease.attempt.' }),
    sequence: t.int({ required: true, description: 'The number of the event: one more than that of the last one.' }),
    at: t.field({
      type: 'DateTime',
      required: true,
      description: 'When it happened, by the database’s clock; what is later than now counts as now.',
    }),
    kind: t.field({ type: WorkerEventKindRef, required: true, description: 'What happened.' }),
    check: t.string({ description: 'The name of the check that began or ended.', validate: { schema: text } }),
    status: t.field({ type: WorkerEventStatusRef, description: 'How the check or the test ended.' }),
    durationMs: t.float({ description: 'How long the check took.', validate: { schema: notNegative } }),
    evidence: t.field({
      type: [WorkerEvidenceInput],
      description: 'What the check found out, at most 64 things.',
      validate: { schema: boundedList(z.unknown(), { max: 64 }) as never },
    }),
    failure: t.field({ type: WorkerFailureInput, description: 'Why it failed.' }),
  }),
});

const RecordTestEventsInput = builder.inputType('RecordTestEventsInput', {
  description: 'What happened to the tests of a worker.',
  fields: (t) => ({
    workerId: t.id(workerId),
    events: t.field({
      type: [WorkerEventInput],
      required: true,
      description: `Those of several tests, each test’s in their order; ${MOST_EVENTS} at most.`,
      validate: { schema: boundedList(z.unknown(), { max: MOST_EVENTS }) as never },
    }),
  }),
});

const RecordTestEventsSuccess = builder.objectRef<{ lost: readonly string[] }>('RecordTestEventsSuccess').implement({
  description: 'The events are written, but for those of tests that are lost.',
  fields: (t) => ({
    lost: t.field({
      type: ['ID'],
      description: 'Tests that are not the worker’s any more, or of which it told what cannot be: it drops them.',
      resolve: ({ lost }) => [...lost],
    }),
  }),
});

const CatalogStepRef = builder.enumType('RecordCatalogStep', {
  description: 'What to do with the catalog that a test reads.',
  values: {
    BEGIN: { description: 'Forgets what an earlier attempt has put in.' },
    ADD: { description: 'Adds `entries`.' },
    FINISH: { description: 'Puts it into the place of the catalog in use.' },
    DISCARD: { description: 'Forgets it.' },
  },
});

/** How base64 of what gzip packs begins: its magic number and the method "deflate" (RFC 1952, section 2.3.1). */
const GZIP = /^H4sI/;
const NO_GZIP = 'Give JSON that is packed by gzip, in base64.';

const RecordCatalogInput = builder.inputType('RecordCatalogInput', {
  description: 'A step of what a worker does with the catalog that a test reads.',
  fields: (t) => ({
    workerId: t.id(workerId),
    testId: t.id({ required: true, description: 'The test that reads it.', validate: { schema: uuid } }),
    attempt: t.int({ required: true, description: 'TestLease.attempt.' }),
    step: t.field({ type: CatalogStepRef, required: true, description: 'What to do.' }),
    entries: t.string({
      description: 'For ADD: JSON of at most 4 MiB, packed by gzip, in base64.',
      validate: { schema: z.string().refine((packed) => GZIP.test(packed), issue('INVALID_FORMAT', NO_GZIP)) },
    }),
  }),
});

const RecordCatalogSuccess = builder.objectRef<{ goesOn: boolean }>('RecordCatalogSuccess').implement({
  description: 'The step is done, or there is nothing to read for any more.',
  fields: (t) => ({
    goesOn: t.exposeBoolean('goesOn', {
      description: 'False when the datastore is gone, or another worker has the test.',
    }),
  }),
});

builder.mutationFields((t) => ({
  tendWorker: t.field({
    type: TendWorkerSuccess,
    description: `Says every 5 seconds that a worker lives, and what it runs. ${FOR_WORKERS}`,
    errors: { types: [ValidationError, NotFoundError], union: { name: 'TendWorkerResult' } },
    args: { input: t.arg({ type: WorkerInput, required: true, description: 'What it is and runs.' }) },
    resolve: (_root, { input: { network, ...input } }, { access, services }) =>
      services.workers.tend(access, { ...input, network: network ?? null, path: ['input'] }),
  }),
  leaseTests: t.field({
    type: LeaseTestsSuccess,
    description: `Takes queued tests of the token’s environments and of the worker’s network. ${FOR_WORKERS}`,
    errors: { types: [ValidationError, NotFoundError], union: { name: 'LeaseTestsResult' } },
    args: { input: t.arg({ type: LeaseTestsInput, required: true, description: 'Who takes how many.' }) },
    resolve: async (_root, { input: { workerId: id, limit, testIds } }, { access, services }) => ({
      leases: await services.workers.lease(access, id, limit, testIds ?? null),
    }),
  }),
  recordTestEvents: t.field({
    type: RecordTestEventsSuccess,
    description: `Writes what happened to tests of a worker. The same call, sent again, writes nothing twice. ${FOR_WORKERS}`,
    errors: { types: [ValidationError, NotFoundError], union: { name: 'RecordTestEventsResult' } },
    args: { input: t.arg({ type: RecordTestEventsInput, required: true, description: 'What happened.' }) },
    resolve: async (_root, { input: { workerId: id, events } }, { access, services }) => ({
      lost: await services.workers.record(access, id, events, ['input', 'events']),
    }),
  }),
  recordCatalog: t.field({
    type: RecordCatalogSuccess,
    description: `Takes the catalog that a test of a worker reads. ${FOR_WORKERS}`,
    errors: { types: [ValidationError, NotFoundError], union: { name: 'RecordCatalogResult' } },
    args: { input: t.arg({ type: RecordCatalogInput, required: true, description: 'What to do.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      goesOn: await services.workers.catalog(access, { ...input, path: ['input'] }),
    }),
  }),
}));

const WorkerSignalRef = builder.objectRef<WorkerSignal>('WorkerSignal').implement({
  description: 'There may be something new for a worker: it asks leaseTests.',
  fields: (t) => ({
    cancelled: t.field({
      type: ['ID'],
      description: 'The tests that it runs and that somebody wants cancelled.',
      resolve: ({ cancelled }) => [...cancelled],
    }),
  }),
});

builder.subscriptionField('workerSignals', (t) =>
  t.field({
    type: WorkerSignalRef,
    description: `Sends a signal at once, and whenever a test was queued or is to be cancelled; it may come for nothing. Unknown workers get NOT_FOUND. ${FOR_WORKERS}`,
    args: { workerId: t.arg.id(workerId) },
    subscribe: (_root, { workerId: id }, { access, services }) =>
      streamOf((signal) => services.workers.signals(access, id, signal)),
    resolve: (event) => eventOf(event),
  }),
);
