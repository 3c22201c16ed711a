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
import { boundedList, uuid } from '../../graphql/fields.ts';
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

export const TestStatusRef = builder.enumType('TestStatus', {
  description: 'Where a test stands. PASSED, FAILED and CANCELLED are final.',
  values: testStatuses,
});

const CheckStatusRef = builder.enumType('CheckStatus', {
  description:
    'Where a check stands. WARNING means that it passed, but needs attention soon; SKIPPED, that an earlier check failed.',
  values: checkStatuses,
});

export const TestPurposeRef = builder.enumType('TestPurpose', {
  values: {
    REQUESTED: { description: 'Somebody started it with startConnectionTest.' },
    BEFORE_SAVE: { description: 'A createDatastore or an updateDatastore waited for it.' },
    CATALOG: { description: 'It read the datastore’s catalog.' },
  } satisfies Record<(typeof testPurposes)[number], { description: string }>,
});

const FailureCauseRef = builder.enumType('FailureCause', {
  description: 'The group of reasons for which a check failed. New values may be added: keep a default branch.',
  values: Object.fromEntries(
    Object.entries(failureCauses).map(([cause, description]) => [cause, { value: cause as FailureCause, description }]),
  ),
});

const CheckFailureRef = builder.objectRef<FailureReport>('CheckFailure').implement({
  description: 'Why a check failed. It repeats nothing that the server said, and no value of the config.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'A stable code for programs; each is documented.' }),
    cause: t.field({ type: FailureCauseRef, resolve: (failure) => failure.cause }),
    message: t.exposeString('message'),
    hint: t.exposeString('hint', { nullable: true, description: 'What you can do about it.' }),
    configPath: t.exposeString('configPath', {
      nullable: true,
      description:
        'The config field to mend, as a path: `tls.caCertificate`. A path that begins with `tenancy.` is one of the tenancy beside the config. Null where no field is known.',
    }),
  }),
});

const EvidenceRef = builder.objectRef<CheckResult['evidence'][number]>('Evidence').implement({
  description:
    'Something that a check found out: the server’s version, the TLS protocol, when the certificate expires, the number of tables. A value has at most 200 printable characters.',
  fields: (t) => ({ name: t.exposeString('name'), value: t.exposeString('value') }),
});

const titles = new Map(
  connectors.flatMap((connector) =>
    allChecksOf(connector).map((check) => [checkName(connector, check), check.title] as const),
  ),
);

const CheckResultRef = builder.objectRef<CheckResult>('CheckResult').implement({
  description: 'One named step of a test, and how it went.',
  fields: (t) => ({
    id: t.exposeID('id', {
      description:
        'The id of this check in this test alone, so that a client’s cache keeps up with the events by itself.',
    }),
    name: t.exposeString('name', {
      description: 'The check’s name, `type/resource/method`: `postgres/session/authenticate`.',
    }),
    title: t.string({
      description: 'The check’s name for people.',
      resolve: (check) => titles.get(check.name) ?? check.name,
    }),
    status: t.field({ type: CheckStatusRef, resolve: (check) => check.status }),
    durationMs: t.float({ nullable: true, description: 'In milliseconds.', resolve: (check) => check.durationMs }),
    evidence: t.field({ type: [EvidenceRef], resolve: (check) => [...check.evidence] }),
    failure: t.field({ type: CheckFailureRef, nullable: true, resolve: (check) => check.failure }),
  }),
});

/** The module that knows datastores adds `datastore`. */
export const ConnectionTestRef = builder.objectRef<ConnectionTest>('ConnectionTest').implement({
  description: 'One run of some checks, in order. When one fails, the later ones are skipped.',
  fields: (t) => ({
    id: t.exposeID('id'),
    type: t.field({ type: DatastoreTypeRef, resolve: (test) => connectorOf(test.type).type }),
    purpose: t.field({ type: TestPurposeRef, resolve: (test) => test.purpose }),
    datastoreVersion: t.exposeInt('datastoreVersion', {
      nullable: true,
      description:
        'The version of the datastore that was tested; for a test before a save, the one that was saved. Null for a draft or a change that was not saved, and for tests of older versions of the gateway.',
    }),
    status: t.field({ type: TestStatusRef, resolve: (test) => test.status }),
    checks: t.field({
      type: [CheckResultRef],
      description: 'All checks of the test from the start, in order; each is PENDING until its turn.',
      resolve: (test) => [...test.checks],
    }),
    failure: t.field({
      type: CheckFailureRef,
      nullable: true,
      description: 'Why the test failed: the failure of the first check that did.',
      resolve: (test) => test.failure,
    }),
    requestedBy: t.exposeString('requestedBy', { description: 'The name of the token that started it.' }),
    requestedOnBehalfOf: t.exposeString('requestedOnBehalfOf', {
      nullable: true,
      description: 'For whom it was started, where a session token’s onBehalfOf said so.',
    }),
    createdAt: t.field({ type: 'DateTime', resolve: (test) => test.createdAt }),
    startedAt: t.field({ type: 'DateTime', nullable: true, resolve: (test) => test.startedAt }),
    finishedAt: t.field({ type: 'DateTime', nullable: true, resolve: (test) => test.finishedAt }),
    durationMs: t.float({
      nullable: true,
      description: 'The time from startedAt to finishedAt, in milliseconds.',
      resolve: (test) => test.durationMs,
    }),
  }),
});

const methodNames = boundedList(z.string().max(MAX_METHOD_NAME), { max: MAX_METHODS });

/** The two fields that every input that starts a test has. */
export const testIdField = {
  description:
    'Choose a UUID to follow the test’s progress from before it starts. Leave it out to have one chosen for you.',
  validate: { schema: uuid },
} as const;
export const testTimeoutField = {
  defaultValue: testTimeoutMs.default,
  description: 'How long the whole test may take, waiting in the queue included, in milliseconds: 1,000 to 300,000.',
  validate: { schema: z.int().min(testTimeoutMs.min).max(testTimeoutMs.max) },
} as const;

/** How a test is to be run. */
export const ConnectionTestOptions = builder.inputType('ConnectionTestOptions', {
  description: 'How to run a connection test. `{}` runs the type’s default checks.',
  fields: (t) => ({
    validationMethods: t.stringList({
      description:
        'Which checks to run, by their names in Connector.checks: `s3/bucket/head`. The checks that they build on run as well. Leave it out to run the type’s default checks.',
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
    scope: 'DATASTORES_READ',
    description:
      'One connection test; null when it does not exist or you may not see it. The token needs DATASTORES_READ.',
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
    scope: 'DATASTORES_TEST',
    description:
      'Ends a test at once and closes its connections. A test that has ended stays as it is. The token needs DATASTORES_TEST.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'CancelConnectionTestResult' } },
    args: { id: t.arg.id({ required: true, validate: { schema: uuid } }) },
    resolve: async (_root, { id }, { access, services }) => ({
      test: await services.connectionTests.cancel(access, id),
    }),
  }),
);

const ConnectionTestEventRef = builder.objectRef<TestEvent>('ConnectionTestEvent').implement({
  description:
    'One step of a test’s progress. `test` and `check` are as they were at that moment, in a replay as well. The first event is the test being QUEUED, the last one its end.',
  fields: (t) => ({
    sequence: t.exposeInt('sequence', { description: 'The event’s number in its test: 1, 2, 3, …' }),
    at: t.field({ type: 'DateTime', resolve: (event) => event.at }),
    test: t.field({ type: ConnectionTestRef, resolve: (event) => event.test }),
    check: t.field({
      type: CheckResultRef,
      nullable: true,
      description: 'The check that started or ended; null when the event is about the test itself.',
      resolve: (event) => event.check,
    }),
  }),
});

builder.subscriptionField('connectionTestProgress', (t) =>
  t.field({
    type: ConnectionTestEventRef,
    scope: 'DATASTORES_READ',
    description:
      'Sends the events after the given sequence number, then the live ones without gap or duplicate, and completes when the test ends. ' +
      'You may subscribe before the test exists: the subscription waits 60 seconds for it, then ends with NOT_FOUND. The token needs DATASTORES_READ.',
    args: {
      id: t.arg.id({ required: true, validate: { schema: uuid } }),
      after: t.arg.int({
        defaultValue: 0,
        description: 'The number of the last event that you have seen. 0 sends all of them.',
      }),
    },
    subscribe: (_root, { id, after }, { access, services }) =>
      streamOf((signal) => services.connectionTests.progress(access, id, after ?? 0, signal)),
    resolve: (event) => eventOf(event),
  }),
);
