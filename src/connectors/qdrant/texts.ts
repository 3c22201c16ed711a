import type { ConfigDraft } from '../kit/connection-text/config-draft.ts';
import type { ConnectionTexts, ConnectionUrl } from '../kit/connection-text/connection-text.ts';
import { ignoreUser, readHttpScheme, serviceUrl } from '../kit/connection-text/shared-settings.ts';

const GRPC_PORT = '6334';

/** Reads `https://host:6333/collections/products`, and the page that shows it: `/dashboard#/collections/products`. */
function readQdrantUrl(url: ConnectionUrl, draft: ConfigDraft): void {
  const [first, ...more] = url.hosts;
  const isGrpc = first?.port === GRPC_PORT;
  if (isGrpc) draft.ignore('port', 'It is the port of gRPC; the gateway speaks REST: usually 6333.');
  const at = url.path.findIndex((part) => part === 'collections' || part === 'dashboard');
  const path = at < 0 ? url.path : url.path.slice(0, at);
  const place = isGrpc ? { ...url, hosts: [{ host: first.host, port: undefined }, ...more] } : url;
  draft.set('baseUrl', serviceUrl(place, path), 'url');
  const inFragment = /^\/collections\/([^/]{1,255})/.exec(url.fragment)?.[1] ?? '';
  draft.set('collection', (url.path[at] === 'collections' ? url.path[at + 1] : inFragment) ?? '', 'collection');
  readHttpScheme(url, draft);
  ignoreUser(url, draft);
}

export const qdrantConnectionTexts: ConnectionTexts = {
  examples: [
    'https://qdrant.example.com:6333/collections/products',
    'QDRANT_URL=https://xyz.eu-central.aws.cloud.qdrant.io:6333\nQDRANT_API_KEY=api-key\nQDRANT_COLLECTION=products',
  ],
  schemes: ['qdrant'],
  sharedSchemes: ['https', 'http'],
  places: /^[^/]*(?:\.qdrant\.io[:/]|:633[34]\/)/,
  settings: { key: 'apiKey', collectionname: 'collection' },
  readUrl: readQdrantUrl,
};
