import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { readEnv } from '../../src/env.ts';
import { createKeyFile } from '../../src/platform/keys/key-file.ts';
import { commandSource } from '../../src/platform/keys/key-source.ts';
import { goProgram, goPrograms } from '../support/peers/go-programs.ts';
import { describePeer } from '../support/peers/installed.ts';
import { owned } from '../support/peers/own-process.ts';

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
}

interface Container {
  readonly args: readonly string[];
  readonly env: readonly Variable[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: object;
}

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: { readonly securityContext: object; readonly containers: readonly [Container] };
    };
  } & Readonly<Record<string, unknown>>;
}

interface Judgement {
  readonly faults: readonly string[];
  readonly objects: readonly Rendered[];
  readonly unjudged: readonly string[];
}

/** Everything that can be switched on. */
const ALL = {
  image: { repository: 'registry.example/gateway', tag: '1.2.3' },
  imagePullSecrets: [{ name: 'registry' }],
  gateway: {
    takesTests: false,
    env: { EGRESS_ALLOW: '10.0.0.0/8', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' },
    envFromSecrets: [{ name: 'OIDC_CLIENT_SECRET', valueFrom: { secretKeyRef: { name: 'oidc', key: 'secret' } } }],
    allowedHosts: ['https://other.example'],
    nodeSelector: { disk: 'fast' },
    tolerations: [{ key: 'gateways', operator: 'Exists' }],
  },
  workers: [
    { name: 'default', replicas: 2 },
    { name: 'vpc-a', replicas: 1, network: 'vpc-a', env: { EGRESS_ALLOW: '10.1.0.0/16' } },
  ],
  service: { port: 8080 },
  ingress: {
    ...{ enabled: true, className: 'nginx', host: 'gateway.example', tlsSecretName: 'gateway-tls' },
    annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600' },
  },
  metrics: { podMonitor: { enabled: true } },
  networkPolicy: {
    enabled: true,
    ingressFrom: [{ namespaceSelector: { matchLabels: { name: 'ingress' } } }],
    metricsFrom: [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }],
    egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }],
  },
};

async function judge(values: object): Promise<Judgement> {
  const child = owned(spawn(goProgram('helm'), ['deploy/helm'], { stdio: ['pipe', 'pipe', 'inherit'] }));
  child.stdin.end(JSON.stringify(values));
  return (await json(child.stdout)) as Judgement;
}

const envOf = ({ env }: Container) => Object.fromEntries(env.map(({ name, value }) => [name, value]));

describePeer('Helm', goPrograms('helm'), () => {
  test('lints the chart, and Kubernetes takes each field of what it renders', async () => {
    const plain = await judge({});
    expect(plain.faults).toEqual([]);
    expect(plain.unjudged).toEqual([]);
    expect(plain.objects.map(({ kind }) => kind).sort()).toEqual(
      ['Deployment', 'Deployment', 'Job', 'PodDisruptionBudget', 'Service'].sort(),
    );
    const all = await judge(ALL);
    expect(all.faults).toEqual([]);
    expect(all.unjudged).toEqual(['PodMonitor']);
    expect(all.objects.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['Ingress', 'NetworkPolicy', 'PodMonitor']),
    );
  });

  test('has Kubernetes’ word on fields that there are not', async () => {
    const { faults } = await judge({ gateway: { tolerations: [{ kee: 'gateways' }] } });
    expect(faults.join()).toContain('unknown field "spec.template.spec.tolerations[0].kee"');
  });

  test.each([
    [{ gateway: { replicas: 0 } }, '/gateway/replicas'],
    [{ gateway: { env: { DATABASE_URL: 'postgres://u:p@h/d' } } }, "invalid propertyName 'DATABASE_URL'"],
    [{ ingress: { enabled: true } }, '/ingress/host'],
    [{ workers: [{ name: 'Big', replicas: 1 }] }, '/workers/0/name'],
    [{ replicas: 3 }, 'replicas'],
  ])('its schema refuses %j', async (values, place) => {
    expect((await judge(values)).faults.join()).toContain(place);
  });

  test('sets what the gateway reads, and runs it as nobody, with nothing to write to', async () => {
    const { objects } = await judge(ALL);
    const pods = objects.flatMap(({ kind, metadata, spec }) => (spec.template ? [{ kind, metadata, ...spec }] : []));
    expect(pods.map(({ metadata }) => metadata.name).sort()).toEqual(
      ['gateway', 'gateway-migrate', 'gateway-worker-default', 'gateway-worker-vpc-a'].sort(),
    );
    const seen = new Set<string>();
    for (const { template, selector } of pods) {
      const { spec, metadata } = template ?? {};
      const container = spec?.containers[0] as Container;
      expect(spec?.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      for (const [label, value] of Object.entries(selector?.matchLabels ?? {}))
        expect(metadata?.labels[label]).toBe(value);
      const names = container.env.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      // a Secret's are not here
      const given = { ...envOf(container), DATABASE_URL: 'postgres://gateway:secret@db/gateway' };
      expect(readEnv('serve', given)).toMatchObject({ metricsPort: 9464, keyCommand: '/bin/cat /keys/master.key' });
      seen.add(container.args.join());
    }
    expect([...seen].sort()).toEqual(['migrate', 'serve', 'worker']);
    const gateway = pods.find(({ metadata }) => metadata.name === 'gateway')?.template?.spec.containers[0] as Container;
    const env = readEnv('serve', { ...envOf(gateway), OIDC_CLIENT_SECRET: '' });
    expect(env).toMatchObject({ takesTests: false, egressAllow: ['10.0.0.0/8'], host: '0.0.0.0' });
    expect(env.traces?.url).toBe('http://collector:4318/v1/traces');
    expect(env.allowedHosts).toEqual([
      'gateway:8080',
      'gateway.gateways:8080',
      'gateway.gateways.svc:8080',
      'gateway.gateways.svc.cluster.local:8080',
      'https://gateway.example',
      'https://other.example',
    ]);
    const worker = pods.find(({ metadata }) => metadata.name.endsWith('vpc-a'))?.template?.spec.containers[0];
    expect(readEnv('serve', envOf(worker as Container))).toMatchObject({
      network: 'vpc-a',
      egressAllow: ['10.1.0.0/16'],
    });
    expect(gateway.ports?.find(({ name }) => name === 'http')?.containerPort).toBe(readEnv('serve', {}).port);
  });

  test('has the keys read as Kubernetes shows a Secret, which is its group’s', async () => {
    const { objects } = await judge({});
    const [{ spec } = { spec: undefined }] = objects.filter(({ kind }) => kind === 'Job');
    const { KEY_COMMAND: command = '' } = envOf(spec?.template?.spec.containers[0] as Container);
    const folder = await mkdtemp(join(tmpdir(), 'gateway-secret-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await createKeyFile(join(folder, 'own.key'));
    await writeFile(join(folder, 'master.key'), await readFile(join(folder, 'own.key')), { mode: 0o440 });
    const { read } = commandSource(command.replace('/keys/', `${folder}/`));
    expect(await read()).toEqual(JSON.parse(await readFile(join(folder, 'own.key'), 'utf8')));
  });
});
