import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { signerIdentity } from '../families/aws/sts.ts';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import type { Check } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import { jsonAnswer, listOf } from '../kit/http/answers.ts';
import { begin } from '../kit/http/http-base.ts';
import { pollUntil } from '../kit/http/poll.ts';
import { missingDatabase, tableColumns } from './catalog.ts';
import {
  type AthenaContext,
  type AthenaState,
  askAthena,
  provesSignIn,
  refusalFailure,
  sendAthena,
  signerOf,
} from './client.ts';
import type { AthenaConfig } from './config.ts';

type AthenaCheck = Check<AthenaConfig, AthenaState>;

/** The most databases that databases/list counts. */
const PAGE = 50;

const WORKGROUP = z.object({
  WorkGroup: z.object({
    State: z.enum(['ENABLED', 'DISABLED']).optional(),
    Configuration: z
      .object({
        EnforceWorkGroupConfiguration: z.boolean().optional(),
        ResultConfiguration: z.object({ OutputLocation: z.string().optional() }).optional(),
        ManagedQueryResultsConfiguration: z.object({ Enabled: z.boolean().optional() }).optional(),
        EngineVersion: z.object({ EffectiveEngineVersion: z.string().optional() }).optional(),
      })
      .optional(),
  }),
});
const DATABASES = z.object({
  DatabaseList: listOf(z.object({ Name: z.string() })),
  NextToken: z.string().optional(),
});
const STARTED = z.object({ QueryExecutionId: z.string().regex(/^[\w-]{1,64}$/) });
const EXECUTION = z.object({
  QueryExecution: z.object({
    Status: z.object({
      State: z.enum(['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED']),
      StateChangeReason: z.string().optional(),
      AthenaError: z.object({ ErrorType: z.int().optional() }).optional(),
    }),
    Statistics: z.object({ EngineExecutionTimeInMillis: z.number().optional() }).optional(),
  }),
});

const authenticate: AthenaCheck = authenticateCheck(
  'AWS takes the signature that the access key, or the assumed role, makes. No right is needed.',
  async (context) => {
    const { config } = context;
    const response = await sendAthena(context, 'GetWorkGroup', { WorkGroup: config.workgroup }, SIGN_IN_LIMIT);
    // the checks that follow tell what the key may do, and whether the workgroup exists
    if (response.status === 200) jsonAnswer(response, z.object({ WorkGroup: z.object({}) }));
    else if (!provesSignIn(response)) throw refusalFailure(response, config);
    const { accessKeyId } = signerIdentity(signerOf(config), context.state);
    return { evidence: { server: 'Amazon Athena', accessKeyId } };
  },
);

const getWorkgroup: AthenaCheck = {
  name: 'workgroup/get',
  title: 'Look at the workgroup',
  description:
    'The workgroup exists. Warns when it is disabled, writes results elsewhere than the config says, or has no place for them and the config gives none. The key needs athena:GetWorkGroup.',
  async run(context) {
    const { workgroup, outputLocation } = context.config;
    const missing = () => new Failure('RESOURCE_NOT_FOUND', { configPath: 'workgroup', hint: 'Check `workgroup`.' });
    const answer = await askAthena(context, 'GetWorkGroup', { WorkGroup: workgroup }, WORKGROUP, missing);
    const { State: state, Configuration: settings } = answer.WorkGroup;
    const engine = settings?.EngineVersion?.EffectiveEngineVersion;
    const location = settings?.ResultConfiguration?.OutputLocation;
    const managed = settings?.ManagedQueryResultsConfiguration?.Enabled === true;
    const enforced = settings?.EnforceWorkGroupConfiguration === true && location !== undefined;
    const used = managed ? 'managed by Athena' : enforced ? location : (outputLocation ?? location);
    return {
      evidence: { workgroup, state, engine, outputLocation: used ?? 'none' },
      warning: state === 'DISABLED' || used === undefined || (outputLocation !== undefined && used !== outputLocation),
    };
  },
};

const listDatabases: AthenaCheck = {
  name: 'databases/list',
  title: 'List the databases',
  description:
    'The databases of the catalog can be listed, at most 50 are counted; the one in the config exists. The key needs athena:ListDatabases, athena:GetDatabase and rights on AWS Glue.',
  async run(context) {
    const { catalog, database } = context.config;
    const missing = () => new Failure('RESOURCE_NOT_FOUND', { configPath: 'catalog', hint: 'Check `catalog`.' });
    const input = { CatalogName: catalog, MaxResults: PAGE };
    const { DatabaseList: list, NextToken: next } = await askAthena(
      context,
      'ListDatabases',
      input,
      DATABASES,
      missing,
    );
    if (database !== undefined) {
      const wanted = { CatalogName: catalog, DatabaseName: database };
      await askAthena(context, 'GetDatabase', wanted, z.object({ Database: z.unknown() }), missingDatabase);
    }
    return { evidence: { catalog, databases: list.length, more: next !== undefined } };
  },
};

const executeQuery: AthenaCheck = {
  name: 'query/execute',
  title: 'Run a query',
  description:
    'A query runs. Athena writes its result, a file of a few bytes, to the output location, where it stays. The key needs athena:StartQueryExecution, athena:GetQueryExecution and the right to write there.',
  runsByDefault: false,
  writes: true,
  async run(context) {
    const { catalog, database, workgroup, outputLocation } = context.config;
    const place = { Catalog: catalog, ...(database === undefined ? {} : { Database: database }) };
    const query = { QueryString: 'SELECT 1', QueryExecutionContext: place, WorkGroup: workgroup };
    const output = outputLocation === undefined ? {} : { ResultConfiguration: { OutputLocation: outputLocation } };
    const input = { ...query, ...output, ClientRequestToken: randomUUID() };
    const missing = () => locationFailure(outputLocation);
    const { begun, over } = await begin(
      context,
      () => askAthena(context, 'StartQueryExecution', input, STARTED, missing),
      (ended, started) => sendAthena(ended, 'StopQueryExecution', started),
    );
    const { Status, Statistics } = await pollUntil(context.signal, () => endOf(context, begun.QueryExecutionId));
    over();
    if (Status.State !== 'SUCCEEDED') {
      const failure = executionFailure(Status.StateChangeReason ?? '', outputLocation);
      throw failure.with({ serverError: Status.AthenaError?.ErrorType ?? Status.State });
    }
    return { evidence: { runMs: Statistics?.EngineExecutionTimeInMillis } };
  },
};

/** What a query waits for in each of its states. */
const WAITING: Readonly<Record<'QUEUED' | 'RUNNING', string>> = {
  QUEUED:
    'Athena keeps the query in a queue: other queries of the account, or of the workgroup’s reserved capacity, go first. Raise timeoutMs.',
  RUNNING: 'Athena was still at the query: it writes the result to the output location. Raise timeoutMs.',
};

async function endOf(context: AthenaContext, id: string) {
  const { QueryExecution: execution } = await askAthena(
    context,
    'GetQueryExecution',
    { QueryExecutionId: id },
    EXECUTION,
  );
  const { State: state } = execution.Status;
  if (state !== 'QUEUED' && state !== 'RUNNING') return execution;
  context.waitsFor({ configPath: 'workgroup', hint: WAITING[state] });
  return undefined;
}

/**
 * The failure behind a query that ended badly. Athena's text says which right is missing, and on what: it is looked
 * through, but never shown.
 */
function executionFailure(reason: string, outputLocation: string | undefined): Failure {
  if (/access denied|insufficient permissions|not authorized/i.test(reason)) {
    const hint = 'Allow the key’s owner to write to the output location, and to read the data and AWS Glue.';
    return new Failure('PERMISSION_DENIED', { configPath: 'outputLocation', hint });
  }
  return /output|bucket|s3/i.test(reason) ? locationFailure(outputLocation) : new Failure('SERVER_ERROR');
}

function locationFailure(outputLocation: string | undefined): Failure {
  const hint =
    outputLocation === undefined
      ? 'The workgroup has no place for results that can be used: give `outputLocation`, or set one in the workgroup.'
      : 'Check `outputLocation`: the bucket has to exist, in the region of the workgroup.';
  return new Failure('BUCKET_NOT_FOUND', { configPath: 'outputLocation', hint });
}

export const athenaChecks: readonly AthenaCheck[] = [
  authenticate,
  getWorkgroup,
  listDatabases,
  executeQuery,
  tenancyCheck(tableColumns),
];
