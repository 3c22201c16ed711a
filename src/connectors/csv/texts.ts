import type { ConnectionTexts } from '../kit/connection-text/connection-text.ts';
import { ignoreUser, serviceUrl } from '../kit/connection-text/shared-settings.ts';

/** The query is kept as it is written: a signature is over it. */
export const csvConnectionTexts: ConnectionTexts = {
  examples: ['https://files.example.com/clients.csv', 'https://files.example.com/clients.csv?signature=abc'],
  sharedSchemes: ['https', 'http'],
  places: /^[^/]*\/.*\.(?:csv|tsv)$/i,
  takesQuery: true,
  readUrl(url, draft) {
    draft.set('source.url', serviceUrl(url, []) + url.rawPath, 'url');
    draft.set('urlQuery', url.rawQuery, 'query');
    ignoreUser(url, draft);
  },
};
