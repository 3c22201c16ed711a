import type { ConnectionTexts, ReadSetting } from '../kit/connection-text/connection-text.ts';
import {
  pem,
  readHttpScheme,
  readServer,
  serverSettings,
  setPath,
  tlsSwitch,
} from '../kit/connection-text/shared-settings.ts';

const VERIFICATIONS: Readonly<Record<string, 'REQUIRE' | 'VERIFY_CA'>> = { NONE: 'REQUIRE', CA: 'VERIFY_CA' };

const sslVerification: ReadSetting = (value, draft) => {
  const mode = Object.hasOwn(VERIFICATIONS, value) ? VERIFICATIONS[value] : undefined;
  if (mode) draft.lowerTls(mode);
};

export const trinoConnectionTexts: ConnectionTexts = {
  examples: [
    'trino://app:password@trino.example.com:8443/hive/shop',
    'jdbc:trino://trino.example.com:8443/hive/shop?user=app&password=password&SSL=true',
  ],
  schemes: ['trino', 'presto'],
  sharedSchemes: ['https', 'http'],
  prefixes: ['presto'],
  places: /^trino\./,
  settings: {
    ...serverSettings,
    ssl: tlsSwitch,
    jwt: 'accessToken',
    sslverification: sslVerification,
    ssltruststorepath: pem('tls.caCertificate'),
    protocol: (value, draft) => {
      if (value === 'http') draft.lowerTls('DISABLE');
    },
    httpscheme: (value, draft) => {
      if (value === 'http') draft.lowerTls('DISABLE');
    },
  },
  readUrl(url, draft) {
    const standard = { https: '443', http: '80' }[url.scheme];
    const hosts = url.hosts.map(({ host, port }) => ({ host, port: port ?? standard }));
    readServer({ ...url, hosts }, draft);
    readHttpScheme(url, draft);
    setPath(url.path, ['catalog', 'schema'], draft);
  },
};
