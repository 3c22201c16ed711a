import { serviceAccountSettings } from '../families/google/texts.ts';
import type { ConnectionTexts } from '../kit/connection-text/connection-text.ts';
import { refused } from '../kit/connection-text/shared-settings.ts';

const OWN_HOST = /^(?:(.+)\.)?storage\.(?:googleapis|cloud\.google)\.com$/;

const signature = refused('It signs one request until it expires. Give the key of a service account.');

export const googleCloudStorageConnectionTexts: ConnectionTexts = {
  examples: [
    'gs://shop-exports',
    '{"type":"service_account","project_id":"shop-123","client_email":"gateway@shop-123.iam.gserviceaccount.com"}',
  ],
  schemes: ['gs', 'gcs'],
  sharedSchemes: ['https'],
  places: /^(?:[^/]+\.)?storage\.(?:googleapis|cloud\.google)\.com[:/]/,
  prefixes: ['gcs', 'gcpstorage'],
  sharedPrefixes: ['google', 'gcp'],
  settings: { ...serviceAccountSettings, bucketname: 'bucket', xgoogsignature: signature },
  readUrl({ scheme, hosts: [first], path }, draft) {
    const host = first?.host ?? '';
    const inHost = scheme === 'https' ? OWN_HOST.exec(host)?.[1] : host;
    draft.set('bucket', inHost ?? path[0] ?? '', 'bucket');
    if (path.length > (inHost === undefined ? 1 : 0)) draft.ignore('path', 'The whole bucket is used.');
  },
};
