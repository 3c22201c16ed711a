import { describe, expect, test } from 'vitest';
import { readEnv } from '../src/env.ts';
import { makeToken } from '../src/modules/access/token.ts';

const secret = 'hunter2-hunter2';

describe('settings', () => {
  test('have defaults', () => {
    expect(readEnv('serve', {})).toEqual({
      host: '127.0.0.1',
      port: 4000,
      databaseUrl: 'sqlite:./data/gateway.db',
      databaseMustExist: true,
      keyFile: './data/master.key',
      keyCommand: undefined,
      bootstrapToken: undefined,
      egressAllow: [],
      egressProxy: undefined,
      executorIsolation: 'none',
      takesTests: true,
      allowedHosts: undefined,
      allowedOrigins: undefined,
      limits: {},
      openId: undefined,
      revisionSecrets: { days: 30, versions: 10 },
      testRetention: { days: 30, perDatastore: 20 },
      logLevel: undefined,
    });
  });

  test('"start" lets tests reach this machine and private networks, unless it is told otherwise', () => {
    expect(readEnv('start', {}).egressAllow).toEqual(expect.arrayContaining(['127.0.0.0/8', '10.0.0.0/8']));
    expect(readEnv('start', { EGRESS_ALLOW: '' }).egressAllow).toEqual([]);
    expect(readEnv('start', { EGRESS_ALLOW: '10.1.0.0/16, db.example:5432' }).egressAllow).toEqual([
      '10.1.0.0/16',
      'db.example:5432',
    ]);
  });

  test('are read', () => {
    const given = {
      HOST: '0.0.0.0',
      PORT: '8080',
      DATABASE_URL: `postgres://gateway:${secret}@db/gateway`,
      KEY_FILE: '/etc/gateway/master.key',
      BOOTSTRAP_TOKEN: 'x'.repeat(32),
      EGRESS_PROXY: `http://user:${secret}@proxy:3128`,
      EXECUTOR_ISOLATION: 'environment',
      TAKE_TESTS: 'false',
      NETWORK: 'vpc-a',
      ALLOWED_HOSTS: 'gateway.example, gateway.example:8443,[::1]:80,https://other.example',
      ALLOWED_ORIGINS: 'https://App.example:443, http://localhost:5173,http://[::1]:80',
      LOG_LEVEL: 'debug',
      MAX_REQUESTS_PER_MINUTE: '600',
      MAX_TESTS_PER_TARGET: '2',
      TEST_RETENTION_DAYS: '7',
      TESTS_KEPT_PER_DATASTORE: '5',
      SOMETHING_ELSE: 'x',
    };
    expect(readEnv('serve', given)).toEqual({
      host: '0.0.0.0',
      port: 8080,
      databaseUrl: given.DATABASE_URL,
      databaseMustExist: false,
      keyFile: given.KEY_FILE,
      bootstrapToken: given.BOOTSTRAP_TOKEN,
      egressAllow: [],
      egressProxy: `${given.EGRESS_PROXY}/`,
      executorIsolation: 'environment',
      takesTests: false,
      network: 'vpc-a',
      allowedHosts: ['gateway.example', 'gateway.example:8443', '[::1]:80', 'https://other.example'],
      allowedOrigins: ['https://app.example', 'http://localhost:5173', 'http://[::1]'],
      limits: { MAX_REQUESTS_PER_MINUTE: 600, MAX_TESTS_PER_TARGET: 2 },
      openId: undefined,
      revisionSecrets: { days: 30, versions: 10 },
      testRetention: { days: 7, perDatastore: 5 },
      logLevel: 'debug',
    });
  });

  test('the keys come from a command or from a file', () => {
    expect(readEnv('serve', { KEY_COMMAND: 'vault kv get -field=keys secret/gateway' }).keyCommand).toBe(
      'vault kv get -field=keys secret/gateway',
    );
    expect(() => readEnv('serve', { KEY_COMMAND: 'vault', KEY_FILE: 'master.key' })).toThrow(
      'KEY_COMMAND takes the place of KEY_FILE: set one of them',
    );
  });

  test('an OpenID provider is set as a whole', () => {
    const all = { OIDC_ISSUER: 'https://login.example/realms/a', OIDC_AUDIENCE: 'gateway', OIDC_RULES: 'rules.yaml' };
    expect(readEnv('serve', all).openId).toEqual({
      issuer: all.OIDC_ISSUER,
      audience: 'gateway',
      rulesFile: 'rules.yaml',
      clientId: undefined,
      clientSecret: undefined,
    });
    expect(readEnv('serve', { ...all, OIDC_ISSUER: 'http://localhost:8080' }).openId?.issuer).toBe(
      'http://localhost:8080',
    );
    expect(() => readEnv('serve', { OIDC_ISSUER: all.OIDC_ISSUER })).toThrow(
      /^OIDC_AUDIENCE must .*\nOIDC_RULES must /,
    );
    expect(() => readEnv('serve', { OIDC_CLIENT_SECRET: secret })).toThrow(
      /^OIDC_ISSUER must .*: OIDC_CLIENT_SECRET needs it$/,
    );
  });

  test.each([
    ['serve', {}, true],
    ['serve', { BOOTSTRAP_TOKEN: 'x'.repeat(32) }, false],
    ['serve', { BOOTSTRAP_TOKEN: 'x'.repeat(32), DATABASE_MUST_EXIST: 'true' }, true],
    ['serve', { DATABASE_MUST_EXIST: 'false' }, false],
    ['start', {}, false],
  ] as const)('a database is expected: %s %j %s', (mode, given, expected) => {
    expect(readEnv(mode, given).databaseMustExist).toBe(expected);
  });

  test('set to nothing are as good as not set', () => {
    expect(readEnv('serve', { PORT: '', HOST: '', BOOTSTRAP_TOKEN: '', LOG_LEVEL: '' })).toEqual(readEnv('serve', {}));
  });
});

describe('faults', () => {
  const faults = (given: Record<string, string>, mode: 'start' | 'serve' = 'serve'): string[] => {
    try {
      readEnv(mode, given);
      return [];
    } catch (error) {
      return (error as Error).message.split('\n');
    }
  };

  test.each([
    ['HOST', 'a b'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '0x50'],
    ['PORT', '80 '],
    ['DATABASE_URL', `mysql://u:${secret}@h/d`],
    ['DATABASE_URL', 'sqlite:'],
    ['DATABASE_MUST_EXIST', '1'],
    ['BOOTSTRAP_TOKEN', secret],
    ['BOOTSTRAP_TOKEN', `${secret} ${'x'.repeat(40)}`],
    ['EGRESS_ALLOW', '10.0.0.0/99'],
    ['EGRESS_PROXY', `https://u:${secret}@h`],
    ['EXECUTOR_ISOLATION', `tenant ${secret}`],
    ['TAKE_TESTS', 'no'],
    ['NETWORK', `vpc ${secret}`],
    ['ALLOWED_HOSTS', 'https://gateway.example/'],
    ['ALLOWED_HOSTS', 'ftp://gateway.example'],
    ['ALLOWED_ORIGINS', `https://u:${secret}@app.example`],
    ['LOG_LEVEL', 'loud'],
    ['OIDC_ISSUER', 'http://login.example'],
    ['OIDC_ISSUER', `https://u:${secret}@login.example`],
    ['OIDC_ISSUER', 'https://login.example/?a'],
    ['MAX_REQUESTS_PER_MINUTE', '0'],
    ['MAX_CONNECTIONS_PER_TOKEN', 'many'],
    ['MAX_SUBSCRIPTIONS_PER_TOKEN', '1000001'],
    ['MAX_TESTS_PER_TOKEN', '-1'],
    ['MAX_TESTS_PER_ENVIRONMENT', '1.5'],
    ['MAX_TESTS_PER_TARGET', '1e3'],
    ['TEST_RETENTION_DAYS', '0'],
    ['TEST_RETENTION_DAYS', '1001'],
    ['TESTS_KEPT_PER_DATASTORE', '0'],
    ['TESTS_KEPT_PER_DATASTORE', 'all'],
  ])('%s=%s: named, and not echoed', (name, value) => {
    const [fault = '', ...more] = faults({ [name]: value });
    expect(fault).toMatch(new RegExp(`^${name}\\b`));
    expect(fault).not.toContain(secret);
    expect(more).toEqual([]);
  });

  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

  test.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', `http://u:${secret}@collector:4318`],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', `https://collector/?key=${secret}`],
    ['OTEL_EXPORTER_OTLP_HEADERS', secret],
    ['OTEL_EXPORTER_OTLP_HEADERS', `=${secret}`],
    ['OTEL_EXPORTER_OTLP_HEADERS', `a b=${secret}`],
    ['OTEL_EXPORTER_OTLP_HEADERS', `x-key=${secret}%0d%0ax-other:1`],
    ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', `x-key=${secret}%`],
    ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', `x-key=${secret}%E2%82%AC`],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/protobuf'],
    ['OTEL_SERVICE_NAME', secret.repeat(20)],
    ['OTEL_RESOURCE_ATTRIBUTES', secret],
    ['OTEL_TRACES_SAMPLER', 'always_on'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
    ['OTEL_TRACES_SAMPLER_ARG', '10%'],
  ])('%s=%s where traces are collected: named, and not echoed', (name, value) => {
    const [fault = '', ...more] = faults({ ...endpoint, [name]: value });
    expect(fault).toMatch(new RegExp(`^${name} must `));
    expect(fault).not.toContain(secret);
    expect(more).toEqual([]);
    // whoever sets it for others does not mean the gateway, which sends nothing anywhere
    if (!name.endsWith('ENDPOINT')) expect(faults({ [name]: value })).toEqual([]);
  });

  test('where traces go is said by the variables of OpenTelemetry', () => {
    const traces = (given: Record<string, string>) => readEnv('serve', given).traces;
    expect(traces({})).toBeUndefined();
    expect(traces({ OTEL_EXPORTER_OTLP_HEADERS: 'a=b' })).toBeUndefined();
    expect(traces({ ...endpoint, OTEL_SDK_DISABLED: 'True' })).toBeUndefined();
    const plain = { url: 'http://collector:4318/v1/traces', headers: {}, ratio: 1 };
    expect(traces(endpoint)).toEqual({ ...plain, resource: { 'service.name': 'datastore-gateway' } });
    expect(
      traces({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector/otlp/',
        OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b, authorization=Basic%20c2Vj==,',
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-key=c',
        OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,deployment.environment.name=pr%C3%B6duction',
        OTEL_SERVICE_NAME: 'mine',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.25',
      }),
    ).toEqual({
      url: 'https://collector/otlp/v1/traces',
      headers: { 'x-key': 'c', authorization: 'Basic c2Vj==' },
      resource: { 'service.name': 'mine', 'deployment.environment.name': 'pröduction' },
      ratio: 0.25,
    });
    const own = { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://other:4318/anywhere' };
    expect(traces(own)?.url).toBe('http://other:4318/anywhere');
  });

  test.each(['dsg_'.padEnd(40, 'x'), `dsg_${'0'.repeat(49)}`])('a token that only begins like one: %s', (token) => {
    // it would be taken at start, and refused whenever it is given
    expect(faults({ BOOTSTRAP_TOKEN: token })).toEqual([expect.stringMatching(/^BOOTSTRAP_TOKEN begins like .*dsg_/)]);
    expect(faults({ BOOTSTRAP_TOKEN: token }).join()).not.toContain(token);
  });

  test('a token that the gateway has made is taken', () => {
    expect(faults({ BOOTSTRAP_TOKEN: makeToken() })).toEqual([]);
  });

  test('an entry of EGRESS_ALLOW that can never be allowed is named', () => {
    expect(faults({ EGRESS_ALLOW: '10.0.0.0/8,169.254.169.254' }).join()).toContain('169.254.169.254');
  });

  test.each([
    ['*', 'no wildcard'],
    ['https://*.app.example', 'no wildcard'],
    ['https://app.example/', 'write https://app.example'],
    ['https://app.example?x', 'write https://app.example'],
    ['app.example', 'write its scheme, host and port'],
    ['//app.example', 'write its scheme, host and port'],
    ['null', 'write its scheme, host and port'],
    ['ftp://app.example', 'write ftp'],
    ['https://app example', 'write its scheme, host and port'],
    ['https://app.example:99999', 'write its scheme, host and port'],
  ])('an entry of ALLOWED_ORIGINS that is no origin is named: %s', (entry, advice) => {
    const [fault = '', ...more] = faults({ ALLOWED_ORIGINS: `https://good.example,${entry}` });
    expect(fault).toMatch(/^ALLOWED_ORIGINS has "/);
    expect(fault).toContain(JSON.stringify(entry));
    expect(fault).toContain(advice);
    expect(more).toEqual([]);
  });

  test('all come at once', () => {
    const all = faults({ HOST: '0.0.0.0', PORT: 'x', BOOTSTRAP_TOKEN: 'short', LOG_LEVEL: 'loud' }, 'start');
    expect(all.map((fault) => fault.split(' ')[0]).sort()).toEqual(['BOOTSTRAP_TOKEN', 'HOST', 'LOG_LEVEL', 'PORT']);
  });

  test('"start" listens on loopback alone', () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.2', 'gateway.example'])
      expect(faults({ HOST: host }, 'start')).toHaveLength(1);
    for (const host of ['127.0.0.1', '127.0.0.5', '::1', 'localhost'])
      expect(faults({ HOST: host }, 'start')).toEqual([]);
    expect(faults({ HOST: '0.0.0.0' }, 'serve')).toEqual([]);
  });
});
