import { awsSettings } from '../families/aws/texts.ts';
import type { ConfigDraft } from '../kit/connection-text/config-draft.ts';
import type { ConnectionTexts, ConnectionUrl, ReadSetting } from '../kit/connection-text/connection-text.ts';
import { ignoreUser, readHttpScheme, refused, serviceUrl } from '../kit/connection-text/shared-settings.ts';

/** `bucket.s3.eu-central-1.amazonaws.com` and all its older and newer forms; without a bucket it is in the path. */
const AWS_HOST =
  /^(?:(?<bucket>[a-z0-9][a-z0-9._-]*)\.)?s3(?:[.-](?:dualstack|fips|accelerate))*(?:[.-](?<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?:\.cn)?$/;
const R2_HOST = /\.r2\.cloudflarestorage\.com$/;

/** Reads `s3://bucket/path`, and the URL of a bucket or of an object at AWS or anywhere else. */
function readBucketUrl(url: ConnectionUrl, draft: ConfigDraft): void {
  const host = url.hosts[0]?.host ?? '';
  if (url.scheme !== 'https' && url.scheme !== 'http') {
    draft.set('bucket', host, 'bucket');
    draft.set('accessKeyId', url.username ?? '', 'username');
    draft.set('secretAccessKey', url.password ?? '', 'password');
    setPath(url, url.path, draft, undefined);
    return;
  }
  ignoreUser(url, draft);
  const aws = AWS_HOST.exec(host.toLowerCase())?.groups;
  draft.set('region', aws?.region ?? (R2_HOST.test(host) ? 'auto' : ''), 'region');
  if (!aws) {
    draft.set('baseUrl', serviceUrl(url, []), 'url');
    readHttpScheme(url, draft);
  }
  const [first = '', ...rest] = url.path;
  draft.set('bucket', aws?.bucket ?? first, 'bucket');
  setPath(url, aws?.bucket === undefined ? rest : url.path, draft, 'FILE');
}

/** A path that ends in a slash names a folder. */
function setPath(url: ConnectionUrl, parts: readonly string[], draft: ConfigDraft, kind: string | undefined): void {
  if (parts.length === 0) return;
  draft.set('path', parts.join('/'), 'path');
  draft.set('pathKind', (url.endsInSlash ? 'FOLDER' : kind) ?? '', 'path');
}

/** Reads `AKIA…/20260101/eu-central-1/s3/aws4_request`. */
const credential: ReadSetting = (value, draft, name) => {
  const [id = '', , region = ''] = value.split('/');
  draft.set('accessKeyId', id, name);
  draft.set('region', region, name);
};

const signature = refused(
  'It signs one request until it expires. Give the secret access key, or read the URL as a CSV file.',
);

export const s3ConnectionTexts: ConnectionTexts = {
  examples: [
    's3://shop-exports/2026/',
    'https://shop-exports.s3.eu-central-1.amazonaws.com/2026/clients.json',
    'AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nAWS_SECRET_ACCESS_KEY=secret-access-key\nAWS_REGION=eu-central-1\nS3_BUCKET=shop-exports',
  ],
  schemes: ['s3', 's3a', 's3n'],
  sharedSchemes: ['https', 'http'],
  places:
    /^(?:[a-z0-9._-]+\.)?(?:s3[a-z0-9.-]*\.amazonaws\.com(?:\.cn)?|[a-z0-9-]+(?:\.eu)?\.r2\.cloudflarestorage\.com)[:/]/,
  prefixes: ['awss3', 'minio', 'r2'],
  sharedPrefixes: ['aws'],
  signs: ['bucket', 'bucketname', 's3bucket'],
  settings: {
    ...awsSettings,
    bucketname: 'bucket',
    endpoint: 'baseUrl',
    endpointurl: 'baseUrl',
    endpointurls3: 'baseUrl',
    usepathstyle: 'forcePathStyle',
    prefix: 'path',
    key: 'path',
    xamzcredential: credential,
    xamzsecuritytoken: 'sessionToken',
    xamzsignature: signature,
    awsaccesskeyid: 'accessKeyId',
    signature,
  },
  readUrl: readBucketUrl,
};
