import {
  type HttpPeer,
  type HttpPeerOptions,
  json,
  type PeerAnswer,
  type PeerRequest,
  startHttpPeer,
} from './http-peer.ts';

export interface FakeQdrantOptions extends HttpPeerOptions {
  /** Left out: no key is asked for. */
  readonly apiKey?: string;
  /** A key that may read these collections only. */
  readonly scopedKey?: { readonly key: string; readonly collections: readonly string[] };
  /** Name to number of points. */
  readonly collections?: Readonly<Record<string, number>>;
  /**
   * Of collections that have others than one unnamed vector of 4 dimensions: `config.params` and `payload_schema` by
   * name.
   */
  readonly described?: Readonly<Record<string, { readonly params: object; readonly payload_schema?: object }>>;
  /** Listed, but gone when they are asked for. */
  readonly dropped?: readonly string[];
  readonly version?: string;
  /** Of every collection. Left out: green. */
  readonly status?: 'green' | 'yellow' | 'red';
}

/**
 * Qdrant's REST API as far as the checks use it, written from its published OpenAPI description. It checks the API key.
 */
export function startFakeQdrant(options: FakeQdrantOptions = {}): Promise<HttpPeer> {
  return startHttpPeer((request) => answer(request, options), options);
}

function answer(request: PeerRequest, options: FakeQdrantOptions): PeerAnswer {
  const { version = '1.15.4', collections = {}, status = 'green' } = options;
  if (request.method === 'GET' && request.path === '/') {
    return json(200, {
      title: 'qdrant - vector search engine',
      version,
      commit: '0000000000000000000000000000000000000000',
    });
  }
  const readable = readableCollections(request, options);
  if (!readable) return { status: 401, body: 'Invalid API key or JWT' };
  if (request.method === 'GET' && request.path === '/collections') {
    return ok({ collections: [...readable, ...(options.dropped ?? [])].map((name) => ({ name })) });
  }
  const [, name = '', rest] = /^\/collections\/([^/]+)(\/points\/count)?$/.exec(request.path) ?? [];
  if (!name) return { status: 404 };
  const scoped = keyOf(request) === options.scopedKey?.key;
  if (scoped && !readable.includes(name)) return refused(403, `Forbidden: Access to collection ${name} is required`);
  if (!(name in collections)) return refused(404, `Not found: Collection \`${name}\` doesn't exist!`);
  const points = collections[name] ?? 0;
  if (rest && request.method === 'POST') return ok({ count: points });
  if (rest || request.method !== 'GET') return { status: 405 };
  return ok({
    status,
    optimizer_status: 'ok',
    points_count: points,
    indexed_vectors_count: 0,
    segments_count: 2,
    config: {
      params: options.described?.[name]?.params ?? { vectors: { size: 4, distance: 'Cosine' }, shard_number: 1 },
    },
    payload_schema: options.described?.[name]?.payload_schema ?? {},
  });
}

/** Undefined: the key is wrong. */
function readableCollections(request: PeerRequest, options: FakeQdrantOptions): string[] | undefined {
  const all = Object.keys(options.collections ?? {});
  if (options.apiKey === undefined && !options.scopedKey) return all;
  const key = keyOf(request);
  if (options.apiKey !== undefined && key === options.apiKey) return all;
  if (options.scopedKey && key === options.scopedKey.key)
    return all.filter((name) => options.scopedKey?.collections.includes(name));
  return undefined;
}

function keyOf(request: PeerRequest): unknown {
  return request.headers['api-key'] ?? /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
}

function ok(result: unknown): PeerAnswer {
  return json(200, { result, status: 'ok', time: 0.000_01 });
}

function refused(status: number, error: string): PeerAnswer {
  return json(status, { status: { error }, time: 0.000_01 });
}
