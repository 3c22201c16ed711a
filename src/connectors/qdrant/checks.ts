import { z } from 'zod';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { basePath, targetOfUrl } from '../kit/config/url.ts';
import type { CatalogColumn, CatalogEntry } from '../kit/contract/catalog-entry.ts';
import type { Check, CheckContext, Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import {
  jsonAnswer,
  jsonIfAny,
  listOf,
  ownFailure,
  recordOf,
  refusalEvidence,
  strangerFailure,
} from '../kit/http/answers.ts';
import { methodFailure } from '../kit/http/challenge.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import { type QdrantConfig, restPort } from './config.ts';

type QdrantCheck = Check<QdrantConfig, HttpState>;
type Context = CheckContext<QdrantConfig, HttpState>;

/** The longest version, and the longest of the server's words for types and distances, in characters. */
const LONGEST_VERSION = 20;
const LONGEST_WORD = 50;
const COLLECTIONS = z.object({ result: z.object({ collections: listOf(z.object({ name: z.string() })) }) });
const COLLECTION = z.object({
  result: z.object({
    // a server says green, yellow, grey or red
    status: z.string().regex(/^[a-z]{1,20}$/),
    points_count: z.int().nonnegative().nullish(),
    segments_count: z.int().nonnegative(),
  }),
});
const COUNT = z.object({ result: z.object({ count: z.int().nonnegative() }) });
const ABOUT = z.object({ title: z.string(), version: z.string().regex(/^\d+\.\d+\.\d+/) });

const authenticate: QdrantCheck = authenticateCheck(
  'The server takes the API key and lists the collections that it may see.',
  async (context) => {
    const response = await ask(context, { method: 'GET', path: '/collections' });
    // a server that answers 403 to a list has not taken the key: it would list what the key may see
    if (response.status === 403 && isOwn(response, context.config))
      throw keyRefused(context.config).with(refusalEvidence(response));
    jsonAnswer(accepted(response, context.config), COLLECTIONS);
    return { evidence: { server: await productOf(context) } };
  },
);

const getCollection: QdrantCheck = {
  name: 'collection/get',
  title: 'Look at the collection',
  description: 'The collection exists and the key may read it. Warns when the server reports an error in it.',
  async run(context) {
    const response = await ask(context, { method: 'GET', path: collectionPath(context.config) });
    const { result } = jsonAnswer(accepted(response, context.config), COLLECTION);
    const evidence = {
      collection: context.config.collection,
      status: result.status,
      points: result.points_count ?? undefined,
    };
    return { evidence: { ...evidence, segments: result.segments_count }, warning: result.status === 'red' };
  },
};

const listCollections: QdrantCheck = {
  name: 'collections/list',
  title: 'List the collections',
  description: 'The collections that the key may see can be listed.',
  runsByDefault: false,
  async run(context) {
    const response = await ask(context, { method: 'GET', path: '/collections' });
    return {
      evidence: { collections: jsonAnswer(accepted(response, context.config), COLLECTIONS).result.collections.length },
    };
  },
};

const countPoints: QdrantCheck = {
  name: 'points/count',
  title: 'Count the points',
  description: 'The points of the collection can be counted. The number is the server’s estimate.',
  runsByDefault: false,
  async run(context) {
    const path = `${collectionPath(context.config)}/points/count`;
    const headers = { 'content-type': 'application/json' };
    const response = await ask(context, { method: 'POST', path, headers, body: JSON.stringify({ exact: false }) });
    return { evidence: { points: jsonAnswer(accepted(response, context.config), COUNT).result.count } };
  },
};

export const qdrantChecks: readonly QdrantCheck[] = [authenticate, getCollection, listCollections, countPoints];

const VECTOR = z.object({
  size: z.int().nonnegative(),
  distance: z.string().max(LONGEST_WORD),
  datatype: z.string().max(LONGEST_WORD).nullish(),
});
const PARAMETERS = z.object({
  result: z.object({
    config: z.object({
      params: z.object({
        // a collection has one vector without a name, or several by their names
        vectors: z.union([VECTOR, recordOf(VECTOR)]).nullish(),
        sparse_vectors: z.record(z.string(), z.unknown()).nullish(),
      }),
    }),
    payload_schema: recordOf(z.object({ data_type: z.string().max(LONGEST_WORD) })).nullish(),
  }),
});
/**
 * The longest list of collections that is read, in bytes: it has room for far more of them than a server is made for.
 */
const LONGEST_LIST = 8 * 1024 * 1024;
const COLLECTIONS_AT_ONCE = 100;

/**
 * Reads every collection that the key may see. Its columns are its vectors, then the payload's fields that have an
 * index.
 */
export async function* readQdrantCatalog(context: Context): AsyncGenerator<readonly CatalogEntry[]> {
  const list = await ask(context, { method: 'GET', path: '/collections', maxBytes: LONGEST_LIST });
  const { collections } = jsonAnswer(accepted(list, context.config), COLLECTIONS).result;
  const names = collections.map(({ name }) => name).sort();
  for (let from = 0; from < names.length; from += COLLECTIONS_AT_ONCE) {
    const entries: CatalogEntry[] = [];
    for (const name of names.slice(from, from + COLLECTIONS_AT_ONCE)) {
      const response = await ask(context, { method: 'GET', path: `/collections/${encodeURIComponent(name)}` });
      // the collection has been dropped since the list was read
      if (response.status === 404) continue;
      const { result } = jsonAnswer(accepted(response, context.config), PARAMETERS);
      entries.push({ namespace: null, name, kind: 'COLLECTION', columns: columnsOf(result) });
    }
    yield entries;
  }
}

function columnsOf({ config, payload_schema }: z.output<typeof PARAMETERS>['result']): CatalogColumn[] {
  const { vectors, sparse_vectors } = config.params;
  const single = VECTOR.safeParse(vectors);
  // the API calls a vector without a name `vector`
  const dense = Object.entries(single.success ? { vector: single.data } : (vectors ?? {})) as [string, Vector][];
  return [
    ...dense.map(([name, vector]) => ({ name, dataType: vectorType(vector), nullable: null })),
    ...Object.keys(sparse_vectors ?? {}).map((name) => ({ name, dataType: 'sparse vector', nullable: null })),
    ...Object.entries(payload_schema ?? {}).map(([name, field]) => ({
      name,
      dataType: field.data_type,
      nullable: null,
    })),
  ];
}

type Vector = z.output<typeof VECTOR>;

/** The type of a vector, `float32[1536] Cosine`. A vector without a type of its own is one of float32. */
function vectorType({ size, distance, datatype }: Vector): string {
  return `${datatype ?? 'float32'}[${size}] ${distance}`;
}

function ask({ config, state }: Context, request: HttpRequest): Promise<HttpResponse> {
  const key: Record<string, string> = config.apiKey === undefined ? {} : { 'api-key': config.apiKey };
  return state.http.request({
    ...request,
    path: basePath(config.baseUrl) + request.path,
    headers: { ...request.headers, ...key },
  });
}

function accepted(response: HttpResponse, config: QdrantConfig): HttpResponse {
  if (response.status === 200) return response;
  if (!isOwn(response, config)) throw strangerFailure(response);
  // the API has no codes of its own: the status is all there is
  throw statusFailure(response, config)?.with(refusalEvidence(response)) ?? ownFailure(response);
}

function statusFailure(response: HttpResponse, config: QdrantConfig): Failure | undefined {
  const { status } = response;
  if (status === 401) return methodFailure(response, ['bearer', 'apikey'], 'apiKey') ?? keyRefused(config);
  if (status === 403)
    return new Failure('PERMISSION_DENIED', {
      configPath: 'collection',
      hint: 'Give the key access to the collection.',
    });
  return status === 404 ? new Failure('COLLECTION_NOT_FOUND', { configPath: 'collection' }) : undefined;
}

const REFUSAL = z.object({ status: z.object({ error: z.string() }) });
const CLOUD_REFUSAL = z.object({ error: z.string() });
const CLOUD_DOMAIN = '.cloud.qdrant.io';
/** The words in which a server that looks at keys refuses one, as plain text. */
const KEY_WORDS = /^(Must provide an API key|Invalid (api-key|API key|JWT))/;

/**
 * Tells whether a refusal is one of Qdrant's own: in the form of its API, in the words of its check of keys, or in the
 * form of what stands before the servers of its cloud.
 */
function isOwn(response: HttpResponse, { baseUrl }: QdrantConfig): boolean {
  if (jsonIfAny(response, REFUSAL)) return true;
  if (new URL(baseUrl).hostname.endsWith(CLOUD_DOMAIN) && jsonIfAny(response, CLOUD_REFUSAL)) return true;
  return (response.status === 401 || response.status === 403) && KEY_WORDS.test(response.text());
}

function keyRefused(config: QdrantConfig): Failure {
  if (config.apiKey === undefined)
    return new Failure('CREDENTIALS_REQUIRED', { configPath: 'apiKey', hint: 'Give the API key.' });
  return new Failure('KEY_REFUSED', { configPath: 'apiKey' });
}

/** The server's name and version, `Qdrant 1.15.4`; the name alone when a proxy hides the start page. */
async function productOf(context: Context): Promise<string> {
  const response = await ask(context, { method: 'GET', path: '/' });
  const about = response.status === 200 ? jsonIfAny(response, ABOUT) : undefined;
  return about?.title.startsWith('qdrant') ? `Qdrant ${about.version.slice(0, LONGEST_VERSION)}` : 'Qdrant';
}

export function targetOf(config: QdrantConfig): Target {
  const paths = { hostPath: 'baseUrl', portPath: 'port', defaultPort: restPort(config.baseUrl, config.port) };
  return { ...targetOfUrl(config.baseUrl, config.tls, paths), strangerPath: 'baseUrl' };
}

function collectionPath(config: QdrantConfig): string {
  return `/collections/${encodeURIComponent(config.collection)}`;
}
