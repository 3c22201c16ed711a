import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import type { Target } from '../../kit/contract/connector.ts';

/** Long-lived or temporary credentials; the latter have a session token. */
export interface AwsIdentity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface AwsRequest {
  readonly method: string;
  /** The value of the Host header: `host` or `host:port`. */
  readonly host: string;
  /** The path as it is sent: percent-encoded, without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface AwsScope {
  readonly region: string;
  /** The service as signatures name it: `s3`, `athena`. */
  readonly service: string;
}

/** The headers that sign a request (Signature Version 4), Host among them. `now` is the signing time. */
export async function signAwsRequest(
  request: AwsRequest,
  identity: AwsIdentity,
  scope: AwsScope,
  now = new Date(),
): Promise<Record<string, string>> {
  const signer = await signerFor(identity, scope);
  const { method, path, query, body } = request;
  const [hostname = ''] = request.host.split(':');
  const headers = { ...request.headers, host: request.host };
  const signed = await signer.sign(
    { method, protocol: 'https:', hostname, path, query: { ...query }, headers, body },
    { signingDate: now },
  );
  return signed.headers;
}

/**
 * The query string, `?a=1&b=2`, that lets whoever has it make a GET request without a body for
 * `expiresIn` seconds from `now` on. `host` is the value of the Host header.
 */
export async function presignAwsRequest(
  { host, path, query }: Pick<AwsRequest, 'host' | 'path' | 'query'>,
  identity: AwsIdentity,
  scope: AwsScope,
  expiresIn: number,
  now = new Date(),
): Promise<string> {
  const signer = await signerFor(identity, scope);
  const [hostname = ''] = host.split(':');
  const request = { method: 'GET', protocol: 'https:', hostname, path, query: { ...query }, headers: { host } };
  const signed = await signer.presign(request, { signingDate: now, expiresIn });
  return awsQueryString(signed.query as Record<string, string>);
}

async function signerFor(identity: AwsIdentity, { region, service }: AwsScope) {
  const { SignatureV4 } = await import('@smithy/signature-v4');
  // S3 alone signs the path as it stands
  return new SignatureV4({ credentials: identity, region, service, sha256: Sha256, uriEscapePath: service !== 's3' });
}

/** The identity of an access key. */
export function awsIdentity(key: {
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
}): AwsIdentity {
  const { accessKeyId, secretAccessKey, sessionToken } = key;
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new Error('A request was to be signed without an access key.');
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** The Host header of requests to a target; it names the port unless that is the scheme's own. */
export function hostHeader({ host, port, tls }: Target): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (tls ? 443 : 80) ? name : `${name}:${port}`;
}

/** The form of AWS' own regions. */
export const AWS_REGION = /^[a-z]{2,}(-[a-z]+)+-\d+$/;

/** Tells whether a region has the form of AWS' own. */
export function isAwsRegion(region: string): boolean {
  return AWS_REGION.test(region);
}

/** The domain in which AWS has the endpoints of a region. */
export function awsDomain(region: string): string {
  if (region.startsWith('cn-')) return 'amazonaws.com.cn';
  return region.startsWith('eusc-') ? 'amazonaws.eu' : 'amazonaws.com';
}

/** The query string that the signature is made for, `?a=1&b=2`, with the keys in their order; empty without a query. */
export function awsQueryString(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([key, value]) => `${awsEncode(key)}=${awsEncode(value)}`);
  return pairs.length > 0 ? `?${pairs.join('&')}` : '';
}

/** Percent-encodes all but the unreserved characters of RFC 3986. */
export function awsEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

type Bytes = string | ArrayBuffer | ArrayBufferView;

/** SHA-256, or its HMAC when there is a key, in the form that the signing library asks for. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(key?: Bytes) {
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', toBuffer(key));
  }

  update(data: Bytes): void {
    this.#hash.update(toBuffer(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function toBuffer(data: Bytes): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}
