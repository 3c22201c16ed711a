import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { PeerRequest } from './http-peer.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Temporary ones. */
  readonly sessionToken?: string;
  readonly expired?: boolean;
}

/** What is wrong with a signature. */
export type SignatureFault =
  | 'unsigned'
  | 'scope'
  | 'unknown-key'
  | 'token-missing'
  | 'token-wrong'
  | 'expired'
  | 'clock'
  | 'unsigned-header'
  | 'body'
  | 'signature';

export interface SignatureOptions<Credentials extends AwsCredentials> {
  readonly credentials: readonly Credentials[];
  readonly region: string;
  readonly service: string;
  /** How far the server's clock is ahead, in minutes. */
  readonly clockAhead?: number | undefined;
}

export type SignatureVerdict<Credentials> =
  | { readonly credentials: Credentials }
  | { readonly fault: SignatureFault; readonly stringToSign?: string };

/**
 * Verifies AWS' Signature Version 4: computes the signature of a request by itself, from the published description, and
 * compares.
 */
export function verifySignature<Credentials extends AwsCredentials>(
  request: PeerRequest,
  options: SignatureOptions<Credentials>,
): SignatureVerdict<Credentials> {
  const { region, service } = options;
  const [, accessKeyId, date = '', scopeRegion = '', scopeService, signedHeaders = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    ) ?? [];
  if (!signature) return { fault: 'unsigned' };
  if (scopeRegion !== region || scopeService !== service) return { fault: 'scope' };
  const credentials = options.credentials.find((each) => each.accessKeyId === accessKeyId);
  if (!credentials) return { fault: 'unknown-key' };
  const token = request.headers['x-amz-security-token'];
  if (credentials.sessionToken !== token) return { fault: token === undefined ? 'token-missing' : 'token-wrong' };
  if (credentials.expired) return { fault: 'expired' };
  const longDate = String(request.headers['x-amz-date'] ?? '');
  const now = Date.now() + (options.clockAhead ?? 0) * 60_000;
  if (!longDate.startsWith(date) || Math.abs(now - timeOf(longDate)) > 15 * 60_000) return { fault: 'clock' };
  const headers = signedHeaders.split(';');
  const mustBeSigned = ['host', ...Object.keys(request.headers).filter((name) => name.startsWith('x-amz-'))];
  if (!mustBeSigned.every((name) => headers.includes(name))) return { fault: 'unsigned-header' };
  const bodyHash = sha256(request.body);
  // S3 and OpenSearch Serverless ask for this header; with other services it is as good as absent
  const statedHash = request.headers['x-amz-content-sha256'];
  const isAsked = service === 's3' || service === 'aoss';
  if (statedHash === undefined ? isAsked : statedHash !== bodyHash) return { fault: 'body' };
  const [path = ''] = request.target.split('?');
  const canonical = [
    request.method,
    service === 's3' ? path : encodedAgain(path),
    canonicalQuery(request.target),
    ...headers.map((name) => `${name}:${headerValue(request, name)}`),
    '',
    signedHeaders,
    bodyHash,
  ];
  const scope = `${date}/${region}/${service}/aws4_request`;
  const stringToSign = ['AWS4-HMAC-SHA256', longDate, scope, sha256(canonical.join('\n'))].join('\n');
  const key = [date, region, service, 'aws4_request'].reduce(sign, Buffer.from(`AWS4${credentials.secretAccessKey}`));
  return timingSafeEqual(sign(key, stringToSign), Buffer.from(signature, 'hex'))
    ? { credentials }
    : { fault: 'signature', stringToSign };
}

/** What a presigned token is for. */
export interface PresignedOptions<Credentials extends AwsCredentials>
  extends Omit<SignatureOptions<Credentials>, 'clockAhead'> {
  /** The value of the Host header that is signed. */
  readonly host: string;
  /** What the query has besides the signature. */
  readonly query: Readonly<Record<string, string>>;
}

/** The same for a URL without its scheme that lets whoever has it in: `host/?Action=connect&…&X-Amz-Signature=…`. */
export function verifyPresigned<Credentials extends AwsCredentials>(
  text: string,
  options: PresignedOptions<Credentials>,
): SignatureVerdict<Credentials> {
  const { host, region, service } = options;
  const [, signedHost, queryString = ''] = /^([^/]+)\/\?([!-~]*)$/.exec(text) ?? [];
  const query = new URLSearchParams(queryString);
  const value = (name: string) => query.get(`X-Amz-${name}`) ?? '';
  const [accessKeyId, date = '', ...scope] = value('Credential').split('/');
  if (value('Algorithm') !== 'AWS4-HMAC-SHA256' || value('SignedHeaders') !== 'host') return { fault: 'unsigned' };
  if (signedHost !== host) return { fault: 'unsigned-header' };
  if (Object.entries(options.query).some(([name, wanted]) => query.get(name) !== wanted)) return { fault: 'body' };
  if (scope.join('/') !== `${region}/${service}/aws4_request`) return { fault: 'scope' };
  const credentials = options.credentials.find((each) => each.accessKeyId === accessKeyId);
  if (!credentials) return { fault: 'unknown-key' };
  const token = query.get('X-Amz-Security-Token') ?? undefined;
  if (credentials.sessionToken !== token) return { fault: token === undefined ? 'token-missing' : 'token-wrong' };
  if (credentials.expired) return { fault: 'expired' };
  const [age, lasts] = [Date.now() - timeOf(value('Date')), Number(value('Expires')) * 1000];
  if (!value('Date').startsWith(date) || !(lasts <= 900_000 && age < lasts && age > -300_000))
    return { fault: 'clock' };
  const unsigned = queryString.split('&').filter((pair) => !pair.startsWith('X-Amz-Signature='));
  const canonical = ['GET', '/', canonicalQuery(`?${unsigned.join('&')}`), `host:${host}`, '', 'host', sha256('')];
  const whole = [date, ...scope].join('/');
  const stringToSign = ['AWS4-HMAC-SHA256', value('Date'), whole, sha256(canonical.join('\n'))].join('\n');
  const key = [date, ...scope].reduce(sign, Buffer.from(`AWS4${credentials.secretAccessKey}`));
  return sign(key, stringToSign).toString('hex') === value('Signature') ? { credentials } : { fault: 'signature' };
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function sign(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** All services but S3 sign the path as it is sent, encoded once more. */
function encodedAgain(path: string): string {
  return encodeURIComponent(path)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/');
}

function canonicalQuery(target: string): string {
  const [, query = ''] = target.split('?');
  const pairs = query
    .split('&')
    .filter(Boolean)
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`));
  return pairs.sort().join('&');
}

function headerValue(request: PeerRequest, name: string): string {
  return String(request.headers[name] ?? '')
    .trim()
    .replace(/ +/g, ' ');
}

function timeOf(longDate: string): number {
  return Date.parse(longDate.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}
