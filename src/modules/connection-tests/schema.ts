import type DataLoader from 'dataloader';
import { z } from 'zod';
import { allChecksOf, checkName } from '../../connectors/kit/contract/connector.ts';
import type { FailureReport } from '../../connectors/kit/contract/failure.ts';
import { connectorOf, connectors } from '../../connectors/registry.ts';
import { NotFoundError, ValidationError } from '../../errors/api.ts';
import { type FailureCause, failureCauses } from '../../errors/check-failures.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType } from '../../graphql/connection.ts';
import { ConnectionTestFailedErrorRef } from '../../graphql/errors.ts';
import { uuid } from '../../graphql/fields.ts';
import { eventOf, streamOf } from '../../graphql/stream.ts';
import { DatastoreTypeRef } from '../connectors/schema.ts';
import { testTimeoutMs } from './plan.ts';
import type { ConnectionTestService } from './service.ts';
import {
  type CheckResult,
  type ConnectionTest,
  checkStatuses,
  type TestEvent,
  type testPurposes,
  testStatuses,
} from './test.ts';

/** In characters. The longest name of a check has less than half of them. */
const MAX_METHOD_NAME = 100;
/** How many validation methods an input may name. No connector has as many. */
const MAX_METHODS = 50;

declare module '../../graphql/context.ts' {
  interface Services {
    readonly connectionTests: ConnectionTestService;
  }
  interface Loaders {
    readonly connectionTest: DataLoader<string, ConnectionTest | null>;
  }
}

const TestStatusRef = builder.enumType('TestStatus', {
  description: 'QUEUED and RUNNING go on; the others are ends.',
  values: testStatuses,
});

const CheckStatusRef = builder.enumType('CheckStatus', {
  description: 'WARNING has passed too, but needs attention soon. SKIPPED: an earlier check failed.',
  values: checkStatuses,
});

export const TestPurposeRef = builder.enumType('TestPurpose', {
  values: {
    REQUESTED: { description: 'Somebody started it.' },
    BEFORE_SAVE: { description: 'A create or an update waited for it.' },
    CATALOG: { description: 'It read the catalog.' },
  } satisfies Record<(typeof testPurposes)[number], { description: string }>,
});

const FailureCauseRef = builder.enumType('FailureCause', {
  description: 'Why a check failed, in the large. May grow: keep a default branch.',
  values: Object.fromEntries(
    Object.entries(failureCauses).map(([cause, description]) => [cause, { value: cause as FailureCause, description }]),
  ),
});

const CheckFailureRef = builder.objectRef<FailureReport>('CheckFailure').implement({
  description: 'Why a check failed. No text of the peer and no value of the config stands in it.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'Stable and documented.' }),
    cause: t.field({ type: FailureCauseRef, resolve: (failure) => failure.cause }),
    message: t.exposeString('message'),
    hint: t.exposeString('hint', { nullable: true, description: 'What to do about it.' }),
    configPath: t.exposeString('configPath', {
      nullable: true,
      description: 'The config field to mend, where one is known.',
    }),
  }),
});

const EvidenceRef = builder.objectRef<CheckResult['evidence'][number]>('Evidence').implement({
  description:
    'What was found: server version, TLS protocol and certificate expiry, latency, number of tables, … Parsed values, at most 200 printable characters.',
  fields: (t) => ({ name: t.exposeString('name'), value: t.exposeString('value') }),
});

const titles = new Map(
  connectors.flatMap((connector) =>
    allChecksOf(connector).map((check) => [checkName(connector, check), check.title] as const),
  ),
);

const CheckResultRef = builder.objectRef<CheckResult>('CheckResult').implement({
  description: 'One named step of a test.',
  fields: (t) => ({
    id: t.exposeID('id', {
      description: 'Unique to this check of this test, so that a client’s cache follows the events by itself.',
    }),
    name: t.exposeString('name', {
      description: '`type/resource/method`, for example `postgres/session/authenticate`.',
    }),
    title: t.string({ resolve: (check) => titles.get(check.name) ?? check.name }),
    status: t.field({ type: CheckStatusRef, resolve: (check) => check.status }),
    durationMs: t.float({ nullable: true, resolve: (check) => check.durationMs }),
    evidence: t.field({ type: [EvidenceRef], resolve: (check) => [...check.evidence] }),
    failure: t.field({ type: CheckFailureRef, nullable: true, resolve: (check) => check.failure }),
  }),
});

/** The module that knows datastores adds `datastore`. */
export const ConnectionTestRef = builder.objectRef<ConnectionTest>('ConnectionTest').implement({
  description: 'One run of some checks, in order; each later one is skipped when one fails.',
  fields: (t) => ({
    id: t.exposeID('id'),
    type: t.field({ type: DatastoreTypeRef, resolve: (test) => connectorOf(test.type).type }),
    purpose: t.field({ type: TestPurposeRef, resolve: (test) => test.purpose }),
    status: t.field({ type: TestStatusRef, resolve: (test) => test.status }),
    checks: t.field({
      type: [CheckResultRef],
      description: 'All of them from the start, in order, PENDING until their turn.',
      resolve: (test) => [...test.checks],
    }),
    failure: t.field({
      type: CheckFailureRef,
      nullable: true,
      description: 'The first failed check’s failure.',
      resolve: (test) => test.failure,
    }),
    requestedBy: t.exposeString('requestedBy', { description: 'The name of the token that started it.' }),
    createdAt: t.field({ type: 'DateTime', resolve: (test) => test.createdAt }),
    startedAt: t.field({ type: 'DateTime', nullable: true, resolve: (test) => test.startedAt }),
    finishedAt: t.field({ type: 'DateTime', nullable: true, resolve: (test) => test.finishedAt }),
    durationMs: t.float({
      nullable: true,
      description: 'From startedAt to finishedAt.',
      resolve: (test) => test.durationMs,
    }),
  }),
});

const methodNames = z.array(z.string().max(MAX_METHOD_NAME)).max(MAX_METHODS);

/** The two fields that every input that starts a test has. */
export const testIdField = {
  description: 'A UUID chosen by the client, so that the progress can be followed from before the start.',
  validate: { schema: uuid },
} as const;
export const testTimeoutField = {
  required: true,
  defaultValue: testTimeoutMs.default,
  description: 'Whole test, from QUEUED on, in milliseconds: 1,000 to 300,000.',
  validate: { schema: z.int().min(testTimeoutMs.min).max(testTimeoutMs.max) },
} as const;

/** How a test is to be run. */
export const ConnectionTestOptions = builder.inputType('ConnectionTestOptions', {
  fields: (t) => ({
    validationMethods: t.stringList({
      description:
        'Names from Connector.checks: `s3/bucket/head`. Left out: the connector’s default ones. Checks that these build on run too.',
      validate: { schema: methodNames },
    }),
    testId: t.id(testIdField),
    timeoutMs: t.int(testTimeoutField),
  }),
});

export const ConnectionTestConnection = connectionType('ConnectionTest', ConnectionTestRef);

builder.objectField(ConnectionTestFailedErrorRef, 'test', (t) =>
  t.field({
    type: ConnectionTestRef,
    resolve: (error, _arguments, { access, services }) => services.connectionTests.outcome(access, error.testId),
  }),
);

builder.queryField('connectionTest', (t) =>
  t.field({
    type: ConnectionTestRef,
    nullable: true,
    description: 'Null when it does not exist or the caller may not see it. Needs DATASTORES_READ.',
    args: { id: t.arg.id({ required: true, validate: { schema: uuid } }) },
    resolve: (_root, { id }, { loaders }) => loaders.connectionTest.load(id),
  }),
);

const CancelConnectionTestSuccess = builder
  .objectRef<{ test: ConnectionTest }>('CancelConnectionTestSuccess')
  .implement({
    fields: (t) => ({ test: t.field({ type: ConnectionTestRef, resolve: (result) => result.test }) }),
  });

builder.mutationField('cancelConnectionTest', (t) =>
  t.field({
    type: CancelConnectionTestSuccess,
    description: 'Closes the test’s sockets at once. A test that has ended stays as it is. Needs DATASTORES_TEST.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'CancelConnectionTestResult' } },
    args: { id: t.arg.id({ required: true, validate: { schema: uuid } }) },
    resolve: async (_root, { id }, { access, services }) => ({
      test: await services.connectionTests.cancel(access, id),
    }),
  }),
);

const ConnectionTestEventRef = builder.objectRef<TestEvent>('ConnectionTestEvent').implement({
  description:
    '`test` and `check` are as they were at that moment, in a replay too. The first event is the test QUEUED, the last one its end.',
  fields: (t) => ({
    sequence: t.exposeInt('sequence', { description: '1, 2, 3, …' }),
    at: t.field({ type: 'DateTime', resolve: (event) => event.at }),
    test: t.field({ type: ConnectionTestRef, resolve: (event) => event.test }),
    check: t.field({
      type: CheckResultRef,
      nullable: true,
      description: 'The check that started or ended; null when it was the test itself.',
      resolve: (event) => event.check,
    }),
  }),
});

builder.subscriptionField('connectionTestProgress', (t) =>
  t.field({
    type: ConnectionTestEventRef,
    description:
      'Replays the events after the given sequence number, follows the live ones without gap or duplicate, and completes when the test ends. ' +
      'May be opened before the test exists: it waits 60 s for it, then ends with NOT_FOUND. Needs DATASTORES_READ.',
    args: {
      id: t.arg.id({ required: true, validate: { schema: uuid } }),
      after: t.arg.int({
        required: true,
        defaultValue: 0,
        description: 'The last sequence number that was seen; 0: from the start.',
      }),
    },
    subscribe: (_root, { id, after }, { access, services }) =>
      streamOf((signal) => services.connectionTests.progress(access, id, after, signal)),
    resolve: (event) => eventOf(event),
  }),
);
