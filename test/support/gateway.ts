import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { type ExecutionResult, print } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { App, type AppOptions } from '../../src/app.ts';
import { type Scope, scopes } from '../../src/modules/access/access.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { PATIENCE_MS } from './eventually.ts';

/** What a client can ask a gateway, wherever it runs. */
export interface GatewayClient {
  readonly url: string;
  /** Runs an operation; rejects when the reply has top-level errors. */
  run<Result, Variables>(document: Operation<Result, Variables>, variables: Variables, token?: string): Promise<Result>;
  /** The same, with the errors as a result. */
  execute<Result, Variables>(
    document: Operation<Result, Variables>,
    variables: Variables,
    token?: string,
  ): Promise<ExecutionResult<Result>>;
  /** Any document and any variables, as a careless client would send them. */
  send(
    body: unknown,
    token?: string,
  ): Promise<{ status: number; text: string; json: ExecutionResult<Record<string, unknown>> }>;
  /** Follows a subscription over WebSocket until it completes or `enough` says so. */
  follow<Result, Variables>(
    document: Operation<Result, Variables>,
    variables: Variables,
    options?: FollowOptions<Result>,
  ): Promise<ExecutionResult<Result>[]>;
  /** The same over SSE. */
  followSse<Result, Variables>(
    document: Operation<Result, Variables>,
    variables: Variables,
    options?: FollowOptions<Result>,
  ): Promise<ExecutionResult<Result>[]>;
}

/** A whole gateway, listening on loopback, with what a test asks it. */
export interface TestGateway extends GatewayClient {
  readonly app: App;
  readonly databaseUrl: string;
  readonly folder: string;
  /** All scopes, all environments. */
  readonly token: string;
  /** Every statement so far, but those that begin and end transactions. Set its length to 0 to count from there. */
  readonly statements: string[];
  /** What the gateway has logged so far. */
  log(): string;
  createToken(name: string, scopes: readonly Scope[], environmentIds?: readonly string[] | null): Promise<string>;
  close(): Promise<void>;
}

export interface FollowOptions<Result> {
  readonly token?: string;
  readonly enough?: (results: readonly ExecutionResult<Result>[]) => boolean;
  readonly onResult?: (result: ExecutionResult<Result>) => void;
}

type Operation<Result, Variables> = TypedDocumentNode<Result, Variables>;

export interface TestGatewayOptions {
  /** Left out: a SQLite file in a temporary folder. */
  readonly databaseUrl?: string | undefined;
  /** Left out: loopback is allowed, as for `npm start`. */
  readonly egressAllow?: readonly string[];
  readonly egressProxy?: string;
  /** Left out: none. */
  readonly allowedOrigins?: readonly string[];
  readonly allowedHosts?: readonly string[];
  readonly folder?: string;
  /** Left out: true, as for `npm start`. */
  readonly bootstrap?: boolean;
  readonly openId?: AppOptions['openId'];
  /** Left out: the defaults. */
  readonly limits?: AppOptions['limits'];
  readonly metricsPort?: number;
  readonly traces?: AppOptions['traces'];
  readonly takesTests?: boolean;
  readonly network?: string;
  readonly testing?: AppOptions['testing'];
}

const LOOPBACK = ['127.0.0.0/8', '::1'];
const EVENT_STREAM = 'text/event-stream';
/** The longest pause that a timer knows. */
const NEVER_MS = 2 ** 31 - 1;
/** What gives nothing for so many milliseconds fails before its test does, which could not tell which operation. */
const HANGS_MS = 4 * PATIENCE_MS;

export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'datastore-gateway-')));
  const lines: string[] = [];
  const statements: string[] = [];
  const logger = createLogger({ level: 'debug', destination: { write: (line: string) => void lines.push(line) } });
  const file = join(folder, 'gateway.db');
  const databaseUrl = options.databaseUrl ?? `sqlite:${file}`;
  // a gateway in a process of its own is told both, for vitest is not there
  if (!options.databaseUrl) await (await import('./databases.ts')).copySqliteTemplate(file);
  const program = options.testing?.executor?.childUrl ? {} : (await import('./child-program.ts')).childProgram();
  const app = await App.open({
    host: '127.0.0.1',
    port: 0,
    databaseUrl,
    keyFile: join(folder, 'master.key'),
    bootstrap: options.bootstrap ?? true,
    egressAllow: options.egressAllow ?? LOOPBACK,
    egressProxy: options.egressProxy,
    allowedOrigins: options.allowedOrigins,
    allowedHosts: options.allowedHosts,
    limits: options.limits,
    metricsPort: options.metricsPort,
    traces: options.traces,
    takesTests: options.takesTests,
    network: options.network,
    openId: options.openId,
    graphiql: 'on',
    logger,
    testing: {
      onStatement: (sql) => statements.push(sql),
      // what nobody has asked for is among no statements that a test counts
      healthTickMs: NEVER_MS,
      sharesFile: true,
      webhookTickMs: NEVER_MS,
      beatMs: NEVER_MS,
      ...options.testing,
      // client and gateway share a process, and both may be late
      limits: { connectionInitMs: PATIENCE_MS, ...options.testing?.limits },
      executor: { ...program, ...options.testing?.executor },
    },
  });
  await app.listen();
  const token = await app.access.createToken('test', {
    name: `all ${Date.now()}`,
    scopes,
    environmentIds: null,
    expiresAt: null,
  });
  const { url } = app;

  return {
    ...clientOf(url, token),
    app,
    databaseUrl,
    folder,
    token,
    statements,
    log: () => lines.join(''),
    createToken: (name, some, environmentIds = null) =>
      app.access.createToken('test', { name, scopes: some, environmentIds, expiresAt: null }),
    async close() {
      await app.close();
      if (!options.folder) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Asks the gateway at a URL; `token` is the caller's where no other is given. */
export function clientOf(url: string, token: string): GatewayClient {
  const post = (body: unknown, bearer: string, accept = 'application/graphql-response+json') =>
    fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, authorization: `Bearer ${bearer}` },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      // a stream of events is as long as its test wants it to be
      signal: accept === EVENT_STREAM ? null : AbortSignal.timeout(HANGS_MS),
    });
  const send: GatewayClient['send'] = async (body, bearer = token) => {
    const response = await post(body, bearer);
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) };
  };
  const execute: GatewayClient['execute'] = async (document, variables, bearer = token) =>
    (await send({ query: print(document), variables }, bearer)).json as never;

  return {
    url,
    send,
    execute,
    async run(document, variables, bearer) {
      const { data, errors } = await execute(document, variables, bearer);
      if (errors || !data) throw new Error(`The operation failed: ${JSON.stringify(errors)}`);
      return data;
    },
    async follow(document, variables, { token: bearer = token, enough, onResult } = {}) {
      const client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization: `Bearer ${bearer}` },
        retryAttempts: 0,
      });
      const results: ExecutionResult<never>[] = [];
      const stream = client.iterate({ query: print(document), variables: variables as Record<string, unknown> });
      const hanging = setTimeout(() => {
        void stream.throw?.(new Error(`${results.length} results, then nothing: ${print(document)}`));
      }, HANGS_MS);
      try {
        for await (const result of stream) {
          hanging.refresh();
          results.push(result as never);
          onResult?.(result as never);
          if (enough?.(results)) break;
        }
        return results;
      } finally {
        clearTimeout(hanging);
        await client.dispose();
      }
    },
    async followSse(document, variables, { token: bearer = token, enough, onResult } = {}) {
      const response = await post({ query: print(document), variables }, bearer, EVENT_STREAM);
      // who is refused gets no stream
      if (!response.headers.get('content-type')?.startsWith(EVENT_STREAM)) return [(await response.json()) as never];
      const results: ExecutionResult<never>[] = [];
      let text = '';
      if (!response.body) throw new Error('no event stream');
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const data = /^data: ?(.+)$/m.exec(block)?.[1];
          if (!/^event: next$/m.test(block) || !data) continue;
          results.push(JSON.parse(data));
          onResult?.(results.at(-1) as never);
          if (enough?.(results)) return results;
        }
      }
      return results;
    },
  };
}
