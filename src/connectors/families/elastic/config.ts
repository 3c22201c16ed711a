import { z } from 'zod';
import { host } from '../../kit/config/host.ts';
import { destination, inGroup, issue, labelled, named, secret } from '../../kit/config/marks.ts';
import { given, has, leftOut, mayHave, missing, type Rule, rules } from '../../kit/config/rules.ts';
import { sshTunnel } from '../../kit/config/ssh-tunnel.ts';
import { anyText, headerText, LONGEST_PASSWORD, matching, trimmedText } from '../../kit/config/text.ts';
import { tls } from '../../kit/config/tls.ts';
import { clearTextRules, httpNeedsTlsDisabled, targetOfUrl, url } from '../../kit/config/url.ts';
import type { Target } from '../../kit/contract/connector.ts';
import { basicUserName, printableText } from '../../kit/http/basic-auth.ts';

const HTTPS_PORT = 443;
const isSelfManaged = has('serverType', { const: 'SELF_MANAGED' });
const isCloud = has('serverType', { pattern: '_CLOUD$' });
const isOpen = has('disableAuth', { const: true });
const CLOUD_PART = /^(?<name>[a-z0-9._-]+)(?::(?<port>\d{1,5}))?$/i;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const cloudHost = host();

/** The host and the port at which a deployment answers. */
export interface CloudEndpoint {
  /** The host in normal form. */
  readonly host: string;
  readonly port: number;
}

/**
 * The endpoint in a Cloud ID: `name:` and, in base64, `domain$deployment$kibana`, where domain and deployment may each
 * have a port. Undefined for any other text: the domain has two parts at least and is no address, and the deployment is
 * one part of a name.
 */
export function decodeCloudId(cloudId: string): CloudEndpoint | undefined {
  const encoded = cloudId.slice(cloudId.lastIndexOf(':') + 1);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return undefined;
  const [domain, deployment] = Buffer.from(encoded, 'base64')
    .toString('latin1')
    .split('$')
    .map((part) => CLOUD_PART.exec(part)?.groups);
  if (!domain?.name?.includes('.') || !deployment?.name || !LABEL.test(deployment.name)) return undefined;
  // this is written for a deployment that has Kibana alone
  if (deployment.name === 'undefined') return undefined;
  const parsed = cloudHost.safeParse(`${deployment.name}.${domain.name}`);
  const port = Number(deployment.port ?? domain.port ?? HTTPS_PORT);
  return parsed.success && port >= 1 && port <= 65_535 ? { host: parsed.data, port } : undefined;
}

/** Tells whether two Cloud IDs lead to different places. Another display name does not change the place. */
function isElsewhere(before: string | undefined, after: string | undefined): boolean {
  const place = (cloudId: string | undefined) => JSON.stringify(cloudId && decodeCloudId(cloudId));
  return place(before) !== place(after);
}

const INDEX_NAME = /^(?![-_+])(?!\.{1,2}$)[^\\/*?"<>|\s,#:\p{Cc}]{1,255}$/u;

/** The fields of both products, which are reached and signed in to in the same ways. */
export const elasticFields = {
  serverType: destination(
    labelled(named('SearchServerType', z.enum(['ELASTIC_CLOUD', 'OPEN_CLOUD', 'SELF_MANAGED'])), {
      ELASTIC_CLOUD: 'Elastic Cloud',
      OPEN_CLOUD: 'Another cloud with Cloud IDs',
      SELF_MANAGED: 'A server of one’s own',
    }),
  ).meta({
    title: 'Server type',
    description: 'Where the cluster runs. ELASTIC_CLOUD and OPEN_CLOUD need a Cloud ID, SELF_MANAGED needs a URL.',
  }),
  cloudId: destination(
    trimmedText(1024).refine(
      (id) => decodeCloudId(id) !== undefined,
      issue('INVALID_FORMAT', 'Give the Cloud ID as the console shows it: a name, a colon and a long code.'),
    ),
    isElsewhere,
  )
    .optional()
    .meta({
      title: 'Cloud ID',
      description: 'The Cloud ID of the deployment, as its console shows it. ELASTIC_CLOUD and OPEN_CLOUD need it.',
    }),
  url: destination(url()).optional().meta({
    title: 'URL',
    description:
      'The URL at which the REST API answers, with its port. SELF_MANAGED needs it. Example: https://search.example.com:9200',
  }),
  disableAuth: inGroup('SIGN_IN', destination(z.boolean())).default(false).meta({
    title: 'Without authentication',
    description:
      'Whether the gateway sends no credentials but a client certificate, if tls has one. Only SELF_MANAGED can do without.',
  }),
  username: inGroup('SIGN_IN', basicUserName(1024)).optional().meta({
    title: 'User name',
    description:
      'The user to sign in as, at most 1,024 characters, without a colon. Leave empty when you sign in with an API key.',
  }),
  password: secret(printableText(LONGEST_PASSWORD)).optional().meta({
    title: 'Password',
    description:
      'The password of the user, at most 4,096 characters. Leave empty when you sign in with an API key, or with disableAuth. This secret is never shown again.',
  }),
  apiKey: secret(headerText(4096)).optional().meta({
    title: 'API key',
    description:
      'An API key in its encoded form, or as id:key, at most 4,096 characters. It takes the place of user name and password. Leave empty when you give those, or with disableAuth. This secret is never shown again.',
  }),
  index: matching(anyText(255), INDEX_NAME, 'Give the name of one index, alias or data stream.').optional().meta({
    title: 'Index',
    description: 'The one index, alias or data stream to use. Leave empty for all that the user may see.',
  }),
  tls: tls(),
  sshTunnel: sshTunnel(),
};

/** Tells whether a text names one index, alias or data stream: it is no wildcard, no list and no part of a path. */
export function isIndexName(text: string): boolean {
  return INDEX_NAME.test(text);
}

/** Refuses what does not go together. `otherWay` says whether something else than these fields signs in. */
export function checkElastic(value: ElasticConfig, context: z.RefinementCtx, otherWay = false): void {
  const report = (code: 'REQUIRED' | 'INVALID_COMBINATION') => (path: string, message: string) =>
    context.addIssue({ code: 'custom', path: path.split('.'), ...issue(code, message) });
  checkPlace(value, report('REQUIRED'), report('INVALID_COMBINATION'));
  if (!otherWay) checkCredentials(value, report('REQUIRED'), report('INVALID_COMBINATION'));
  httpNeedsTlsDisabled(value, context, 'url');
}

/** The same for forms; `otherWay` is the block that signs in otherwise. */
export function elasticRules(otherWay?: string): readonly Rule[] {
  const { properties: isClosed } = mayHave('disableAuth', { const: false });
  const { properties: isMissing = {} } = otherWay === undefined ? {} : mayHave(otherWay, { type: 'null' });
  return [
    [isSelfManaged, given('url')],
    [isSelfManaged, leftOut('cloudId')],
    [isCloud, given('cloudId')],
    [isCloud, leftOut('url')],
    [isCloud, mayHave('tls', mayHave('mode', { pattern: '^(?!DISABLE$)' }))],
    [isCloud, mayHave('disableAuth', { const: false })],
    [isOpen, leftOut('username', 'password', 'apiKey')],
    [given('apiKey'), leftOut('username', 'password')],
    [{ ...missing('apiKey'), properties: { ...isClosed, ...isMissing } }, given('username', 'password')],
    ...clearTextRules('url'),
  ];
}

export const elasticConfig = z
  .object(elasticFields)
  .superRefine((value, context) => checkElastic(value, context))
  .meta(rules(...elasticRules()));

export type ElasticConfig = z.output<z.ZodObject<typeof elasticFields>>;

type Report = (path: string, message: string) => void;

function checkPlace(value: ElasticConfig, need: Report, refuse: Report): void {
  if (value.serverType === 'SELF_MANAGED') {
    if (value.url === undefined) need('url', 'A server of one’s own is found by its URL.');
    if (value.cloudId !== undefined) refuse('cloudId', 'A server of one’s own has no Cloud ID: leave it out.');
    return;
  }
  if (value.cloudId === undefined) need('cloudId', 'A cloud deployment is found by its Cloud ID.');
  if (value.url !== undefined) refuse('url', 'A cloud deployment is found by its Cloud ID: leave the URL out.');
  else if (value.tls.mode === 'DISABLE') refuse('tls.mode', 'A cloud deployment is reached over TLS alone.');
  if (value.disableAuth) refuse('disableAuth', 'A cloud deployment lets nobody in without credentials.');
}

function checkCredentials(value: ElasticConfig, need: Report, refuse: Report): void {
  const { disableAuth, username, password, apiKey } = value;
  if (disableAuth) {
    for (const [path, given] of Object.entries({ username, password, apiKey })) {
      if (given !== undefined) refuse(path, 'With disableAuth no credentials are sent: leave them out.');
    }
  } else if (apiKey !== undefined) {
    if (username !== undefined || password !== undefined)
      refuse('apiKey', 'Give either user name and password or an API key, not both.');
  } else {
    if (username === undefined) need('username', 'Give user name and password, or an API key.');
    if (password === undefined) need('password', 'Give user name and password, or an API key.');
  }
}

/** The target that the config leads to: the deployment of the Cloud ID, or the URL. */
export function elasticTarget(config: ElasticConfig): Target {
  const { cloudId, sshTunnel, tls } = config;
  if (config.url !== undefined) return { ...targetOfUrl(config.url, tls, { hostPath: 'url' }), sshTunnel };
  const endpoint = cloudId === undefined ? undefined : decodeCloudId(cloudId);
  if (!endpoint) throw new Error('A config without a URL or a Cloud ID passed the validation.');
  return { ...endpoint, tls, sshTunnel, hostPath: 'cloudId', portPath: 'cloudId' };
}
