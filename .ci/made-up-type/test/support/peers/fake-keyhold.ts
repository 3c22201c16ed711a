import { type HttpPeer, type HttpPeerOptions, json, startHttpPeer } from './http-peer.ts';

export interface FakeKeyholdOptions extends HttpPeerOptions {
  /** Each token, and the buckets that it may read. */
  readonly tokens: Readonly<Record<string, readonly string[]>>;
  /** Bucket to its number of keys. */
  readonly buckets: Readonly<Record<string, number>>;
}

/** A key-value store that checks the token of each request. */
export function startFakeKeyhold(options: FakeKeyholdOptions): Promise<HttpPeer> {
  return startHttpPeer(({ path, headers }) => {
    const readable = options.tokens[/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? ''];
    if (!readable) return json(401, { refused: 'token' });
    if (path === '/v1') return json(200, { store: 'keyhold', version: '3.1' });
    const bucket = /^\/v1\/buckets\/([^/]+)$/.exec(path)?.[1] ?? '';
    const keys = options.buckets[bucket];
    if (keys === undefined) return json(404, { refused: 'bucket' });
    return readable.includes(bucket) ? json(200, { keys }) : json(403, { refused: 'right' });
  }, options);
}
