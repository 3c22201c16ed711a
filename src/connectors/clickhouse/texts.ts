import type { ConnectionTexts, ReadSetting } from '../kit/connection-text/connection-text.ts';
import {
  databaseSettings,
  lowersWhen,
  readDatabaseUrl,
  readHttpScheme,
  tlsSwitch,
} from '../kit/connection-text/shared-settings.ts';

/** The ports at which ClickHouse speaks its own protocol. */
const NATIVE_PORTS: ReadonlySet<string> = new Set(['9000', '9440']);
const NATIVE =
  'It is the port of ClickHouse’s own protocol; the gateway speaks HTTP: usually 8443, or 8123 without TLS.';

const port: ReadSetting = (value, draft, name) => {
  if (NATIVE_PORTS.has(value)) draft.ignore(name, NATIVE);
  else draft.set('port', value, name);
};

export const clickhouseConnectionTexts: ConnectionTexts = {
  examples: [
    'clickhouse+https://app:password@abc123.eu-central-1.aws.clickhouse.cloud:8443/shop',
    'https://app:password@abc123.eu-central-1.aws.clickhouse.cloud:8443/?database=shop',
    'jdbc:clickhouse://clickhouse.example.com:8443/shop?user=app&password=password&ssl=true',
  ],
  schemes: ['clickhouse', 'clickhousedb', 'ch'],
  sharedSchemes: ['https', 'http'],
  places: /^[^/]*(?:\.clickhouse\.cloud[:/]|:8123\/|:8443\/$)/,
  prefixes: ['ch'],
  settings: {
    ...databaseSettings,
    port,
    httpport: port,
    secure: tlsSwitch,
    ssl: tlsSwitch,
    verify: lowersWhen(false, 'REQUIRE'),
    skipverify: lowersWhen(true, 'REQUIRE'),
    sslmode: (value, draft) => {
      if (value.toLowerCase() === 'none') draft.lowerTls('REQUIRE');
    },
  },
  readUrl(url, draft) {
    const [first, ...more] = url.hosts;
    const isNative = NATIVE_PORTS.has(first?.port ?? '');
    if (isNative) draft.ignore('port', NATIVE);
    const isWeb = url.scheme === 'https' || url.scheme === 'http';
    const standard = isWeb ? (url.scheme === 'https' ? '443' : '80') : undefined;
    const at = first && { host: first.host, port: isNative ? undefined : (first.port ?? standard) };
    readDatabaseUrl({ ...url, hosts: at ? [at, ...more] : [] }, draft);
    readHttpScheme(url, draft);
  },
};
