import type { ConnectionTexts, ReadSetting, SettingReader } from '../../kit/connection-text/connection-text.ts';
import {
  databaseSettings,
  lowersWhen,
  noTlsSwitch,
  passOver,
  refused,
  tlsFiles,
  tlsModes,
  tlsSwitch,
} from '../../kit/connection-text/shared-settings.ts';

/** The modes of MySQL's clients and of Connector/J, those of MariaDB's, of .NET's and of Go's among them. */
const sslMode = tlsModes({
  disable: 'DISABLE',
  disabled: 'DISABLE',
  none: 'DISABLE',
  false: 'DISABLE',
  preferred: null,
  prefer: null,
  required: 'REQUIRE',
  require: 'REQUIRE',
  trust: 'REQUIRE',
  'skip-verify': 'REQUIRE',
  verify_ca: 'VERIFY_CA',
  'verify-ca': 'VERIFY_CA',
  verifyca: 'VERIFY_CA',
  verify_identity: 'VERIFY_FULL',
  'verify-full': 'VERIFY_FULL',
  verifyfull: 'VERIFY_FULL',
  true: 'VERIFY_FULL',
});

/** `ssl=true`, and the objects of Node's drivers: `ssl={"rejectUnauthorized":false}`. */
const ssl: ReadSetting = (value, draft, name) => {
  if (/"rejectUnauthorized"\s?:\s?false/.test(value)) draft.lowerTls('REQUIRE');
  else if (!value.startsWith('{')) tlsSwitch(value, draft, name);
};

const settings: Readonly<Record<string, SettingReader>> = {
  ...databaseSettings,
  ...tlsFiles,
  tcpport: 'port',
  client: passOver,
  mysql: passOver,
  mysqldump: passOver,
  sslmode: sslMode,
  tls: sslMode,
  ssl,
  usessl: tlsSwitch,
  skipssl: noTlsSwitch,
  requiressl: passOver,
  verifyservercertificate: lowersWhen(false, 'REQUIRE'),
  sslverifyservercert: lowersWhen(false, 'REQUIRE'),
  trustservercertificate: lowersWhen(true, 'REQUIRE'),
  sslaccept: (value, draft) => {
    if (value === 'accept_invalid_certs') draft.lowerTls('REQUIRE');
  },
  socket: refused('It is a Unix socket, and the gateway connects by TCP alone.'),
  unixsocket: refused('It is a Unix socket, and the gateway connects by TCP alone.'),
};

/** How the texts of a product are read that speaks MySQL's protocol. */
export function mysqlTexts(
  own: Pick<ConnectionTexts, 'examples' | 'schemes' | 'places' | 'prefixes' | 'signs'>,
): ConnectionTexts {
  return { sharedSchemes: ['mysql', 'mariadb'], sharedPrefixes: ['mysql'], settings, ...own };
}
