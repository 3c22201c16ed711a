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
import { NodeRef } from '../../graphql/node.ts';
import { eventOf, streamOf } from '../../graphql/stream.ts';
import { DatastoreTypeRef } from '../connectors/schema.ts';
import { testTimeoutMs } from './plan.ts';
import type { ConnectionTestService } from './service.ts';
import type { CheckResult, CheckStatus, ConnectionTest, TestEvent, TestPurpose, TestStatus } from './test.ts';

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
  values: {
    QUEUED: { description: 'It waits for a free place to run in, or to run once more.' },
    RUNNING: { description: 'Its checks run.' },
    PASSED: { description: 'All of its checks passed; some may be WARNING.' },
    FAILED: { description: 'A check failed, or the test could not be run: `failure` says why.' },
    CANCELLED: { description: 'Somebody ended it with cancelConnectionTest.' },
  } satisfies Record<TestStatus, object>,
});

const CheckStatusRef = builder.enumType('CheckStatus', {
  description: 'Where a check stands. PASSED, WARNING, FAILED and SKIPPED are final.',
  values: {
    PENDING: { description: 'Its turn has not come.' },
    RUNNING: { description: 'It runs.' },
    PASSED: { description: 'It found what it wants to find.' },
    WARNING: { description: 'It passed, but something needs attention: `evidence` tells what was found.' },
    FAILED: { description: '`failure` says why.' },
    SKIPPED: { description: 'It did not run, for an earlier check failed or the test ended.' },
  } satisfies Record<CheckStatus, object>,
});

export const TestPurposeRef = builder.enumType('TestPurpose', {
  description: 'What a test is for. New values may be added: keep a default branch.',
  values: {
    REQUESTED: { description: 'Somebody started it with startConnectionTest.' },
    BEFORE_SAVE: { description: 'A createDatastore or an updateDatastore waited for it.' },
    HEALTH: { description: 'It was the datastore’s turn: see checkEveryMinutes.' },
    CATALOG: { description: 'It read the datastore’s catalog.' },
  } satisfies Record<TestPurpose, object>,
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
    cause: t.field({
      type: FailureCauseRef,
      description: 'The group of reasons that `code` belongs to.',
      resolve: (failure) => failure.cause,
    }),
    message: t.exposeString('message', { description: 'What went wrong, for people.' }),
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
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What it is, in camelCase: `serverVersion`.' }),
    value: t.exposeString('value', { description: 'The value, as text: at most 200 printable characters.' }),
  }),
});

const titles = new Map(
  connectors.flatMap((connector) =>
    allChecksOf(connector).map((check) => [checkName(connector, check), check.title] as const),
  ),
);

/** The name of a check for people. */
export function checkTitle(name: string): string {
  return titles.get(name) ?? name;
}

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
      resolve: (check) => checkTitle(check.name),
    }),
    status: t.field({
      type: CheckStatusRef,
      description: 'Where the check stands.',
      resolve: (check) => check.status,
    }),
    durationMs: t.float({
      nullable: true,
      description: 'How long the check took, in milliseconds; null until it has ended, and when it did not run.',
      resolve: (check) => check.durationMs,
    }),
    evidence: t.field({
      type: [EvidenceRef],
      description: 'What the check found out, in the order in which it did.',
      resolve: (check) => [...check.evidence],
    }),
    failure: t.field({
      type: CheckFailureRef,
      nullable: true,
      description: 'Why the check failed; null when it did not.',
      resolve: (check) => check.failure,
    }),
  }),
});

/** The module that knows datastores adds `datastore`. */
export const ConnectionTestRef = builder.objectRef<ConnectionTest>('ConnectionTest').implement({
  description: 'One run of some checks, in order. When one fails, the later ones are skipped.',
  interfaces: [NodeRef],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID, which the client may choose when it starts the test.' }),
    type: t.field({
      type: DatastoreTypeRef,
      description: 'The datastore type that was tested.',
      resolve: (test) => connectorOf(test.type).type,
    }),
    purpose: t.field({ type: TestPurposeRef, description: 'What the test is for.', resolve: (test) => test.purpose }),
    datastoreVersion: t.exposeInt('datastoreVersion', {
      nullable: true,
      description:
        'The version of the datastore that was tested; for a test before a save, the one that was saved. Null for a draft or a change that was not saved, and for tests of older versions of the gateway.',
    }),
    status: t.field({ type: TestStatusRef, description: 'Where the test stands.', resolve: (test) => test.status }),
    attempt: t.exposeInt('attempt', {
      description:
        'Which attempt it is in: 1, and one more each time that it was begun anew, for the process that ran it died or stopped. The events tell of it: their checks are PENDING again.',
    }),
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
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was asked for. Its time runs from here.',
      resolve: (test) => test.createdAt,
    }),
    startedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its checks began to run; null while it is queued.',
      resolve: (test) => test.startedAt,
    }),
    finishedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null until it has.',
      resolve: (test) => test.finishedAt,
    }),
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
    description: 'The test that did not pass: which check failed, and why.',
    resolve: (error, _arguments, { access, services }) => services.connectionTests.outcome(access, error.testId),
  }),
);

builder.queryField('connectionTest', (t) =>
  t.field({
    type: ConnectionTestRef,
    nullable: true,
    description:
      'One connection test; null when it does not exist or you may not see it. The token needs DATASTORES_READ.',
    args: { id: t.arg.id({ required: true, description: 'The test’s id.', validate: { schema: uuid } }) },
    resolve: (_root, { id }, { loaders }) => loaders.connectionTest.load(id),
  }),
);

const CancelConnectionTestSuccess = builder
  .objectRef<{ test: ConnectionTest }>('CancelConnectionTestSuccess')
  .implement({
    description: 'The test has ended.',
    fields: (t) => ({
      test: t.field({
        type: ConnectionTestRef,
        description: 'The test as it is now: CANCELLED, or as it had ended before.',
        resolve: (result) => result.test,
      }),
    }),
  });

builder.mutationField('cancelConnectionTest', (t) =>
  t.field({
    type: CancelConnectionTestSuccess,
    description:
      'Ends a test at once and closes its connections. A test that has ended stays as it is. The token needs DATASTORES_TEST.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'CancelConnectionTestResult' } },
    args: { id: t.arg.id({ required: true, description: 'The id of the test to end.', validate: { schema: uuid } }) },
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
    at: t.field({ type: 'DateTime', description: 'When it happened.', resolve: (event) => event.at }),
    test: t.field({
      type: ConnectionTestRef,
      description: 'The test as it was at that moment, with all of its checks.',
      resolve: (event) => event.test,
    }),
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
    description:
      'Sends the events after the given sequence number, then the live ones without gap or duplicate, and completes when the test ends. ' +
      'You may subscribe before the test exists: the subscription waits 60 seconds for it, then ends with NOT_FOUND. The token needs DATASTORES_READ.',
    args: {
      id: t.arg.id({
        required: true,
        description: 'The test’s id, which you may have chosen and not used yet.',
        validate: { schema: uuid },
      }),
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
