import { randomUUID } from 'node:crypto';
import type { FakeTable } from './fake-information-schema.ts';
import type { FakeSts } from './fake-sts.ts';
import {
  type HttpPeerOptions,
  json,
  type PeerAnswer,
  type PeerRequest,
  type StatefulPeer,
  startHttpPeer,
} from './http-peer.ts';
import { type AwsCredentials, type SignatureFault, verifySignature } from './sigv4.ts';

const NO_LOCATION =
  'No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input.';

export interface FakeAthenaOptions extends HttpPeerOptions {
  readonly credentials: readonly AwsCredentials[];
  /** Left out: eu-central-1. */
  readonly region?: string;
  /** How far the server's clock is ahead, in minutes. */
  readonly clockAhead?: number;
  /** Refusals come in XML. */
  readonly xml?: boolean;
  /** Operations that the key's owner may not call. */
  readonly denied?: readonly string[];
  /** The ids of keys whose owners may call none. */
  readonly strangers?: readonly string[];
  /** Of the workgroup `primary`. */
  readonly workgroup?: { readonly state?: string; readonly outputLocation?: string; readonly managed?: boolean };
  /** Database to its tables, in AwsDataCatalog; a table's `schema` is not looked at. */
  readonly databases?: Readonly<Record<string, readonly FakeTable[]>>;
  /** The bucket that queries may write to. Left out: my-results. */
  readonly bucket?: string;
  /** Why a query fails that has begun. */
  readonly failsWith?: string;
  /** How many answers a query is still running for. */
  readonly slowBy?: number;
  /** Its state for as long. Left out: RUNNING. */
  readonly stuckAs?: 'QUEUED' | 'RUNNING';
  /** Answers at its own host, and gives credentials with every right. */
  readonly sts?: FakeSts;
}

type Input = Record<string, unknown>;

/**
 * Athena's API as far as the checks use it (AWS JSON 1.1), written from its published reference. It computes the
 * signature of each request by itself and compares.
 */
export async function startFakeAthena(options: FakeAthenaOptions): Promise<StatefulPeer> {
  const queries = new Map<string, number>();
  const peer = await startHttpPeer((request) => answer(request, options, queries), options);
  return { ...peer, left: () => [...queries].flatMap(([id, left]) => (left >= 0 ? [id] : [])) };
}

/** What AWS says of a signature that it does not take. */
const FAULTS: Readonly<Record<SignatureFault, readonly [name: string, message: string]>> = {
  unsigned: ['MissingAuthenticationTokenException', 'Missing Authentication Token'],
  scope: ['InvalidSignatureException', 'Credential should be scoped to a valid region.'],
  'unknown-key': ['UnrecognizedClientException', 'The security token included in the request is invalid.'],
  'token-missing': ['UnrecognizedClientException', 'The security token included in the request is invalid.'],
  'token-wrong': ['UnrecognizedClientException', 'The security token included in the request is invalid.'],
  expired: ['ExpiredTokenException', 'The security token included in the request is expired'],
  clock: ['InvalidSignatureException', 'Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z'],
  'unsigned-header': ['InvalidSignatureException', "'Host' must be a 'SignedHeader' in the AWS Authorization."],
  body: ['InvalidSignatureException', 'The request signature does not match.'],
  signature: [
    'InvalidSignatureException',
    'The request signature we calculated does not match the signature you provided.',
  ],
};

function answer(request: PeerRequest, options: FakeAthenaOptions, queries: Map<string, number>): PeerAnswer {
  const { region = 'eu-central-1', clockAhead } = options;
  const ofSts = options.sts?.answer(request);
  if (ofSts) return ofSts;
  const credentials = [...options.credentials, ...(options.sts?.issued ?? [])];
  const verdict = verifySignature(request, { credentials, region, service: 'athena', clockAhead });
  if ('fault' in verdict) return refused(options, ...FAULTS[verdict.fault]);
  const [, operation = ''] = /^AmazonAthena\.(\w+)$/.exec(String(request.headers['x-amz-target'] ?? '')) ?? [];
  if (request.headers['content-type'] !== 'application/x-amz-json-1.1')
    return refused(options, 'UnknownOperationException', '');
  if (options.strangers?.includes(verdict.credentials.accessKeyId) || options.denied?.includes(operation))
    return refused(options, 'AccessDeniedException', `User is not authorized to perform: athena:${operation}`);
  return serve(operation, JSON.parse(request.body.toString()) as Input, options, queries);
}

function serve(operation: string, input: Input, options: FakeAthenaOptions, queries: Map<string, number>): PeerAnswer {
  if (operation === 'GetWorkGroup') return workgroup(input, options);
  if (operation === 'StartQueryExecution') return start(input, options, queries);
  if (operation === 'StopQueryExecution') {
    queries.set(String(input.QueryExecutionId), -1);
    return done({});
  }
  if (operation === 'GetQueryExecution') return execution(input, options, queries);
  if (operation === 'GetQueryResults') {
    const Rows = ['_col0', '1'].map((VarCharValue) => ({ Data: [{ VarCharValue }] }));
    return done({ ResultSet: { Rows, ResultSetMetadata: { ColumnInfo: [{ Name: '_col0', Type: 'integer' }] } } });
  }
  if (input.CatalogName !== 'AwsDataCatalog')
    return refused(options, 'MetadataException', `Catalog ${input.CatalogName} was not found.`);
  const { databases = {} } = options;
  if (operation === 'ListDatabases') {
    const { items, next } = pageOf(Object.keys(databases), input);
    return done({ DatabaseList: items.map((Name) => ({ Name })), ...next });
  }
  const tables = databases[String(input.DatabaseName)];
  if (!tables) return refused(options, 'MetadataException', `Database ${input.DatabaseName} not found.`);
  if (operation === 'GetDatabase') return done({ Database: { Name: input.DatabaseName } });
  if (operation === 'ListTableMetadata') {
    const { items, next } = pageOf(tables, input);
    return done({ TableMetadataList: items.map(metadata), ...next });
  }
  if (operation !== 'GetTableMetadata') return refused(options, 'UnknownOperationException', '');
  const table = tables.find(({ name }) => name === input.TableName);
  return table
    ? done({ TableMetadata: metadata(table) })
    : refused(options, 'MetadataException', `Table ${input.TableName} not found.`);
}

function workgroup(input: Input, options: FakeAthenaOptions): PeerAnswer {
  if (input.WorkGroup !== 'primary')
    return refused(options, 'InvalidRequestException', `WorkGroup ${input.WorkGroup} is not found.`);
  const { state = 'ENABLED', outputLocation, managed = false } = options.workgroup ?? {};
  const Configuration = {
    EnforceWorkGroupConfiguration: outputLocation !== undefined,
    ...(outputLocation ? { ResultConfiguration: { OutputLocation: outputLocation } } : {}),
    ManagedQueryResultsConfiguration: { Enabled: managed },
    EngineVersion: { EffectiveEngineVersion: 'Athena engine version 3' },
  };
  return done({ WorkGroup: { Name: 'primary', State: state, Configuration } });
}

function start(input: Input, options: FakeAthenaOptions, queries: Map<string, number>): PeerAnswer {
  const { OutputLocation: given } = (input.ResultConfiguration ?? {}) as { OutputLocation?: string };
  const location = given ?? options.workgroup?.outputLocation;
  if (options.workgroup?.managed) return begun(options, queries);
  if (location === undefined) return refused(options, 'InvalidRequestException', NO_LOCATION);
  if (!location.startsWith(`s3://${options.bucket ?? 'my-results'}/`))
    return refused(options, 'InvalidRequestException', 'The S3 location does not exist or is in another region.');
  return begun(options, queries);
}

function begun(options: FakeAthenaOptions, queries: Map<string, number>): PeerAnswer {
  const id = randomUUID();
  queries.set(id, options.slowBy ?? 0);
  return done({ QueryExecutionId: id });
}

function execution(input: Input, options: FakeAthenaOptions, queries: Map<string, number>): PeerAnswer {
  const id = String(input.QueryExecutionId);
  const left = queries.get(id);
  if (left === undefined) return refused(options, 'InvalidRequestException', `QueryExecution ${id} was not found`);
  queries.set(id, left - 1);
  const reason = options.failsWith;
  const State = left > 0 ? (options.stuckAs ?? 'RUNNING') : reason === undefined ? 'SUCCEEDED' : 'FAILED';
  const Status = { State, ...(State === 'FAILED' ? { StateChangeReason: reason } : {}) };
  return done({ QueryExecution: { QueryExecutionId: id, Status, Statistics: { EngineExecutionTimeInMillis: 214 } } });
}

function metadata({ name, kind = 'EXTERNAL_TABLE', columns }: FakeTable) {
  const all = columns.map((column) => ({ Name: column.name, Type: column.type }));
  return { Name: name, TableType: kind, Columns: all.slice(0, 1), PartitionKeys: all.slice(1) };
}

function pageOf<Item>(items: readonly Item[], input: Input) {
  const size = Number(input.MaxResults);
  if (!(size >= 1 && size <= 50)) throw new Error(`MaxResults ${size}`);
  const from = Number(input.NextToken ?? 0);
  return {
    items: items.slice(from, from + size),
    next: from + size < items.length ? { NextToken: String(from + size) } : {},
  };
}

function done(value: object): PeerAnswer {
  return json(200, value, { 'content-type': 'application/x-amz-json-1.1' });
}

function refused({ xml }: FakeAthenaOptions, name: string, message: string): PeerAnswer {
  if (!xml) return json(400, { __type: name, message }, { 'content-type': 'application/x-amz-json-1.1' });
  const body = `<ErrorResponse><Error><Type>Sender</Type><Code>${name}</Code><Message>${message}</Message></Error></ErrorResponse>`;
  return { status: 403, headers: { 'content-type': 'text/xml' }, body };
}
