import type { OpenIdSettings, TraceSettings } from './env.ts';
import type { LimitSettings } from './errors/limits.ts';
import { type Executor, type ExecutorOptions, findConfinement } from './executor/executor.ts';
import type { Context } from './graphql/context.ts';
import { keyOwners } from './key-owners.ts';
import { listenForMetrics } from './listen-for-metrics.ts';
import type { Metrics } from './metrics.ts';
import { type Access, rightsOf } from './modules/access/access.ts';
import type { AccessService } from './modules/access/service.ts';
import type { RefusalLog } from './modules/audit/refusals.ts';
import { RefusedSignIns } from './modules/audit/refused-sign-ins.ts';
import { retentionDefaults, type TestRetention } from './modules/connection-tests/history.ts';
import type { TestRunner } from './modules/connection-tests/runner.ts';
import type { EnvironmentService } from './modules/environments/service.ts';
import type { HealthScheduler } from './modules/health/scheduler.ts';
import { OpenIdProvider, type ProviderOptions } from './modules/people/provider.ts';
import { type PeopleRule, readPeopleRules } from './modules/people/rules.ts';
import { PeopleService } from './modules/people/service.ts';
import type { ProcessRegistry } from './modules/processes/registry.ts';
import { type RevisionLimits, revisionDefaults } from './modules/revisions/history.ts';
import type { WebhookDeliverer } from './modules/webhooks/deliverer.ts';
import { type OpenedDatabase, openDatabase } from './open-database.ts';
import type { Chores } from './platform/chores.ts';
import type { Database, OnStatement } from './platform/database/database.ts';
import { goOnRotating } from './platform/keys/key-rotation.ts';
import type { KeyPlace } from './platform/keys/key-source.ts';
import type { Logger } from './platform/telemetry/logger.ts';
import type { Tracer } from './platform/telemetry/tracer.ts';
import { constructSaving, createExecutor, forbidDatabase } from './saving.ts';
import { schema } from './schema.ts';
import { GatewayServer, type GatewayServerOptions } from './server/http.ts';
import { MetricsServer } from './server/metrics-server.ts';
import { createSignIn, type SignIn } from './server/sign-in.ts';
import { constructServing, contextMaker } from './serving.ts';
import { withSetting } from './setting-error.ts';

/** Everything that a gateway is made of. main.ts reads it from the environment. */
export interface AppOptions extends KeyPlace {
  readonly host: string;
  readonly port: number;
  /** Left out: there are no metrics. */
  readonly metricsPort?: number | undefined;
  /** Left out: nobody collects traces. */
  readonly traces?: TraceSettings | undefined;
  readonly databaseUrl: string;
  /** True to refuse a database without tables instead of making them. */
  readonly databaseMustExist?: boolean;
  /**
   * True to make the key file and an environment "default" when there are none, for the first start on a fresh machine.
   */
  readonly bootstrap: boolean;
  readonly bootstrapToken?: string | undefined;
  /** As parseEgressAllow and parseEgressProxy give them. */
  readonly egressAllow: readonly string[];
  readonly egressProxy?: string | undefined;
  readonly executorIsolation?: ExecutorOptions['isolation'];
  /** False where workers take the connection tests. Left out: true. */
  readonly takesTests?: boolean | undefined;
  /** The network whose tests it takes. Left out: those of none. */
  readonly network?: string | undefined;
  readonly allowedHosts?: readonly string[] | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
  readonly limits?: LimitSettings | undefined;
  /** For how long the secrets of older versions are kept. */
  readonly revisionSecrets?: RevisionLimits | undefined;
  /** How long connection tests are kept. */
  readonly testRetention?: TestRetention | undefined;
  readonly openId?: (OpenIdSettings & Pick<ProviderOptions, 'cooldownMs'>) | undefined;
  readonly graphiql: 'on' | 'off';
  readonly example?: GatewayServerOptions<never, never>['example'];
  readonly logger: Logger;
  /** For the project's own tests alone. */
  readonly testing?: {
    readonly executor?: ExecutorOptions['testing'];
    readonly onStatement?: OnStatement;
    readonly limits?: GatewayServerOptions<never, never>['limits'];
    /** How long connectionTestProgress waits for a test that does not exist yet, in milliseconds. */
    readonly unbornWaitMs?: number;
    /** How often it looks for health checks that are due, in milliseconds. */
    readonly healthTickMs?: number;
    /** Lets several gateways have one SQLite file, as replicas of one another. */
    readonly sharesFile?: boolean;
    /** How often it looks for messages to webhooks that are due, in milliseconds. */
    readonly webhookTickMs?: number;
    /** How often it tells that it lives, in milliseconds. */
    readonly beatMs?: number;
  };
}

const OLD_FORM = 'secrets in the form of an older version are still taken: run "datastore-gateway key upgrade" once';

/** The whole gateway. With saving.ts and serving.ts it is the composition root: nothing else constructs services. */
export class App {
  readonly access: AccessService;
  readonly environments: EnvironmentService;
  readonly database: Database;
  readonly chores: Chores;
  /** Makes what resolvers get in a request, for the one who asks. */
  readonly contextOf: (access: Access) => Context;
  readonly #options: AppOptions;
  readonly #opened: OpenedDatabase;
  readonly #executor: Executor;
  readonly #runner: TestRunner;
  readonly #registry: ProcessRegistry;
  readonly #health: HealthScheduler;
  readonly #webhooks: WebhookDeliverer;
  readonly #refusals: RefusalLog;
  readonly #signIn: SignIn;
  readonly #server: GatewayServer<Access, Context>;
  readonly #metrics: MetricsServer | undefined;
  readonly #tracer: Tracer | undefined;
  readonly #ending = new AbortController();
  #rotating: Promise<void> | undefined;
  #url = '';
  #metricsUrl: string | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    options: AppOptions,
    executor: Executor,
    opened: OpenedDatabase,
    rules: readonly PeopleRule[] | undefined,
    metrics: Metrics | undefined,
    tracer: Tracer | undefined,
  ) {
    const { database, doorbell, keyring } = opened;
    const { logger, openId, testing } = options;
    this.database = database;
    this.#options = options;
    this.#opened = opened;
    this.#executor = executor;
    this.#tracer = tracer;
    const saving = constructSaving({
      ...{ database, doorbell, keyring, executor, logger, limits: options.limits },
      revisionSecrets: options.revisionSecrets ?? revisionDefaults,
      takesTests: options.takesTests,
      network: options.network,
      unbornWaitMs: testing?.unbornWaitMs,
      onTestEnded: metrics?.onTestEnded,
      tracer,
    });
    const serving = constructServing(saving, {
      ...{ database, doorbell, keyring, executor, logger, limits: options.limits, network: options.network },
      egressAllow: options.egressAllow,
      testRetention: options.testRetention ?? retentionDefaults,
      healthTickMs: testing?.healthTickMs,
      webhookTickMs: testing?.webhookTickMs,
      beatMs: testing?.beatMs,
    });
    const { services, transfers } = serving;
    const { access, connectionTests, processes } = services;
    this.access = access;
    this.environments = services.environments;
    this.chores = serving.chores;
    this.contextOf = contextMaker(serving, database);
    this.#runner = saving.runner;
    this.#registry = serving.registry;
    this.#health = serving.health;
    this.#webhooks = serving.deliverer;
    this.#refusals = serving.refusals;
    const refusedSignIns = new RefusedSignIns(serving.refusals, access, logger);
    const people =
      openId && rules ? new PeopleService({ database, rules, provider: new OpenIdProvider(openId) }) : undefined;
    this.#signIn = createSignIn(() => access.createSignInToken());
    this.#server = new GatewayServer({
      schema,
      access: {
        authenticate: (token) => (people?.isFor(token) ? people.authenticate(token) : access.authenticate(token)),
        refused: (token) => (people?.isFor(token) ? refusedSignIns.personToken() : refusedSignIns.token(token)),
      },
      rightsOf,
      onRefusedCode: (means) => refusedSignIns.code(means),
      ...(people ? { people } : {}),
      createContext: ({ access }) => this.contextOf(access),
      records: {
        export: (...given) => transfers.export(...given),
        import: (...given) => transfers.import(...given),
        refused: (access, operation, message) => this.#refusals.operation(access, operation, message),
      },
      logger,
      graphiql: options.graphiql,
      example: options.example,
      ...(options.bootstrap ? { signIn: this.#signIn } : {}),
      health: { ready: writableProbe(database, opened.hold) },
      ...(options.allowedHosts ? { allowedHosts: options.allowedHosts } : {}),
      ...(options.allowedOrigins ? { allowedOrigins: options.allowedOrigins } : {}),
      limits: { ...options.limits, ...testing?.limits },
      onResponse: metrics?.onResponse,
      onOperation: metrics?.onOperation,
      tracer,
    });
    this.#metrics = metrics && new MetricsServer({ metrics, logger });
    metrics?.readFrom({
      queue: () => connectionTests.queue(),
      processes: () => processes.counts(),
      executor: () => executor.stats(),
      open: () => this.#server.open(),
      pool: () => database.connections(),
    });
  }

  /**
   * Makes a gateway that does not listen yet.
   * @throws SettingError when the keys or the database cannot be used, naming the variable that says where they are
   */
  static async open(options: AppOptions): Promise<App> {
    const executor = createExecutor({ ...options, testing: options.testing?.executor });
    // asking the system takes as long as the database does
    void findConfinement();
    const onPeer = await forbidDatabase(executor, options.databaseUrl);
    const metrics = options.metricsPort === undefined ? undefined : new (await import('./metrics.ts')).Metrics();
    const onStatement = bothOf(options.testing?.onStatement, metrics?.onStatement);
    const rules = options.openId && (await readRules(options.openId));
    const opened = await openDatabase({
      ...options,
      mustExist: options.databaseMustExist,
      serves: !options.testing?.sharesFile,
      onPeer,
      ...(onStatement ? { onStatement } : {}),
    });
    try {
      const { traces, logger } = options;
      const { clock } = opened.database;
      const tracer = traces && (await import('./tracing.ts')).createTracer(traces, executor, clock, logger);
      const app = new App(options, executor, opened, rules, metrics, tracer);
      // in production the operator says when
      if (opened.keyring.opensOldForm) options.logger.warn(OLD_FORM);
      await app.#prepare();
      return app;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    const { bootstrap, bootstrapToken } = this.#options;
    if (bootstrapToken) await this.access.ensureBootstrapToken(bootstrapToken);
    if (bootstrap) await this.environments.ensureFirst('default');
  }

  /** The URL at which it listens; '' until listen() has resolved. */
  get url(): string {
    return this.#url;
  }

  /** Where the metrics are; undefined where nobody collects any, and until listen() has resolved. */
  get metricsUrl(): string | undefined {
    return this.#metricsUrl;
  }

  async listen(): Promise<void> {
    const { host } = this.#options;
    this.#executor.confine(await findConfinement());
    const { address, port } = await withSetting({ variable: 'HOST', value: host }, () =>
      withSetting({ variable: 'PORT', value: String(this.#options.port) }, () =>
        this.#server.listen(host, this.#options.port),
      ),
    );
    this.#executor.forbid({ host: address, port });
    this.#metricsUrl = await listenForMetrics(this.#metrics, this.#executor, this.#options);
    this.#url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    await this.#registry.start();
    this.#runner.start();
    this.chores.start();
    this.#health.start();
    this.#webhooks.start();
    this.#rotating = this.#goOnRotating();
  }

  async #goOnRotating(): Promise<void> {
    const { logger } = this.#options;
    try {
      const { signal } = this.#ending;
      await goOnRotating({ database: this.database, keyring: this.#opened.keyring, owners: keyOwners, signal, logger });
    } catch (error) {
      logger.warn({ err: error }, 'a rotation of the keys could not go on: the next start tries again');
    }
  }

  /** Issues a link that opens GraphiQL signed in. It is good once, for five minutes. */
  issueSignInLink(): string {
    return `${this.#url}/graphql#code=${this.#signIn.issue()}`;
  }

  /** Drains requests within 20 s, ends tests and closes everything. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const drained = this.#server.close();
    // a save that waits for its test is answered while the server still drains
    this.#runner.endSaves();
    this.#ending.abort();
    await drained;
    await this.#metrics?.close();
    await this.chores.stop();
    await this.#rotating;
    await this.#health.stop();
    await this.#webhooks.stop();
    await this.#runner.stop();
    await this.#registry.stop();
    await this.#executor.close();
    await this.access.close();
    await this.#refusals.close();
    await this.#opened.close();
    await this.#tracer?.close();
  }
}

function bothOf(one: OnStatement | undefined, metrics: Metrics['onStatement'] | undefined): OnStatement | undefined {
  if (metrics === undefined) return one;
  return (sql, parameters, ms) => {
    one?.(sql, parameters, ms);
    metrics(ms);
  };
}

/** How long an answer of the readiness probe is given again. */
const PROBE_MS = 1_000;

/**
 * Says whether something can be written that is still there later. The database is asked once a second at most, since
 * anybody may ask us.
 */
function writableProbe(database: Database, hold: OpenedDatabase['hold']): () => Promise<boolean> {
  let last: { readonly at: number; readonly answer: Promise<boolean> } | undefined;
  return async () => {
    if (hold && !hold.isThere) return false;
    const now = performance.now();
    if (!last || now - last.at >= PROBE_MS) last = { at: now, answer: database.checkWritable().then(() => true) };
    return last.answer;
  };
}

function readRules({ rulesFile }: OpenIdSettings): Promise<readonly PeopleRule[]> {
  return withSetting({ variable: 'OIDC_RULES', value: rulesFile }, () => readPeopleRules(rulesFile));
}
