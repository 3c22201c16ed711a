import type { ConnectionTexts } from '../kit/connection-text/connection-text.ts';
import { ignoreUser, readHttpScheme, serviceUrl } from '../kit/connection-text/shared-settings.ts';

export const mongoDataApiConnectionTexts: ConnectionTexts = {
  examples: [
    'https://data.example.com/app/shop/endpoint/data/v1',
    'MONGO_DATA_API_URL=https://data.example.com/app/shop/endpoint/data/v1\nMONGO_DATA_API_KEY=api-key\nMONGO_DATA_API_DATA_SOURCE=atlas\nMONGO_DATA_API_DATABASE=shop',
  ],
  sharedSchemes: ['https', 'http'],
  places: /^[^/]*\/.*endpoint\/data\/(?:v1|beta)(?:\/|$)/,
  prefixes: ['dataapi', 'mongodbdataapi', 'atlasdataapi'],
  settings: { key: 'apiKey', cluster: 'dataSource', clustername: 'dataSource', db: 'database' },
  readUrl(url, draft) {
    const action = url.path.lastIndexOf('action');
    draft.set('apiUrl', serviceUrl(url, action < 0 ? url.path : url.path.slice(0, action)), 'url');
    readHttpScheme(url, draft);
    ignoreUser(url, draft);
  },
};
