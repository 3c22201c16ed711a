import type { ConnectionTexts, ReadSetting } from '../kit/connection-text/connection-text.ts';
import {
  databaseSettings,
  lowersWhen,
  readDatabaseUrl,
  tlsFiles,
  tlsSwitch,
} from '../kit/connection-text/shared-settings.ts';

const MECHANISMS: Readonly<Record<string, string>> = {
  'SCRAM-SHA-1': 'SCRAM_SHA_1',
  'SCRAM-SHA-256': 'SCRAM_SHA_256',
  'MONGODB-X509': 'X509',
};

const authMechanism: ReadSetting = (value, draft, name) => {
  const mechanism = Object.hasOwn(MECHANISMS, value) ? MECHANISMS[value] : undefined;
  if (mechanism !== undefined) draft.set('authMechanism', mechanism, name);
  else if (value !== 'DEFAULT') draft.ignore(name, 'The gateway signs in by SCRAM or X509 alone.');
};

export const mongodbConnectionTexts: ConnectionTexts = {
  examples: [
    'mongodb+srv://reader:password@cluster0.example.mongodb.net/shop',
    'mongodb://reader:password@db.example.com:27017/shop?authSource=admin&tls=true',
  ],
  schemes: ['mongodb'],
  prefixes: ['mongo'],
  signs: ['authsource', 'replicaset'],
  settings: {
    ...databaseSettings,
    ...tlsFiles,
    authmechanism: authMechanism,
    tls: tlsSwitch,
    ssl: tlsSwitch,
    tlsinsecure: lowersWhen(true, 'REQUIRE'),
    tlsallowinvalidcertificates: lowersWhen(true, 'REQUIRE'),
    tlsallowinvalidhostnames: lowersWhen(true, 'VERIFY_CA'),
  },
  readUrl(url, draft) {
    if (url.variant === 'srv') draft.set('srv', 'true');
    readDatabaseUrl(url, draft);
    const named = new Set(url.parameters.map(({ name }) => name.toLowerCase()));
    // a driver looks for the user where the URL points, unless it says otherwise; of a cluster its TXT record says so
    if (url.username && url.variant !== 'srv' && !named.has('authsource') && !named.has('authmechanism'))
      draft.set('authSource', url.path[0] ?? '');
  },
};
