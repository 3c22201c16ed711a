import type { ConnectionTexts, ReadSetting, SettingReader } from '../../kit/connection-text/connection-text.ts';
import {
  databaseSettings,
  lowersWhen,
  passOver,
  readDatabaseUrl,
  refused,
  tlsFiles,
  tlsModes,
  tlsSwitch,
} from '../../kit/connection-text/shared-settings.ts';

/** The modes of libpq and pgjdbc, those of Npgsql and Prisma among them. */
const sslMode = tlsModes({
  disable: 'DISABLE',
  allow: null,
  prefer: null,
  require: 'REQUIRE',
  'no-verify': 'REQUIRE',
  'verify-ca': 'VERIFY_CA',
  verifyca: 'VERIFY_CA',
  'verify-full': 'VERIFY_FULL',
  verifyfull: 'VERIFY_FULL',
});

/** Of a search path the first schema that is no variable counts. */
const searchPath: ReadSetting = (value, draft, name) => {
  const [first, ...more] = value.split(',').map((each) => each.trim().replace(/^"(.*)"$/s, '$1'));
  if (first?.startsWith('$')) return draft.ignore(name, 'It begins with a variable: give the schema itself.');
  draft.set('schema', first ?? '', name);
  if (more.length > 0) draft.ignore(name, 'Only its first schema was taken.');
};

const options: ReadSetting = (value, draft, name) => {
  const cluster = /(?:^|\s)--cluster=([A-Za-z0-9-]{1,128})(?=\s|$)/.exec(value)?.[1];
  const schema = /(?:^|\s)(?:-c\s?|--)search_path=([^\s]{1,256})/.exec(value)?.[1];
  if (cluster !== undefined && draft.has('cluster')) draft.set('cluster', cluster, name);
  else if (schema !== undefined) searchPath(schema, draft, name);
  else draft.ignore(name, 'The gateway sends no options of its caller to the server.');
};

const settings: Readonly<Record<string, SettingReader>> = {
  ...databaseSettings,
  ...tlsFiles,
  schema: searchPath,
  currentschema: searchPath,
  searchpath: searchPath,
  options,
  sslmode: sslMode,
  ssl: tlsSwitch,
  usessl: tlsSwitch,
  trustservercertificate: lowersWhen(true, 'REQUIRE'),
  sslfactory: (value, draft, name) => {
    if (/NonValidatingFactory$/.test(value)) draft.lowerTls('REQUIRE');
    else draft.ignore(name, 'It is a class of Java’s, which the gateway does not load.');
  },
  sslaccept: (value, draft) => {
    if (value === 'accept_invalid_certs') draft.lowerTls('REQUIRE');
  },
  channelbinding: passOver,
  requiressl: passOver,
};

/** How the texts of a product are read that speaks PostgreSQL's protocol. */
export function postgresTexts(
  own: Pick<ConnectionTexts, 'examples' | 'schemes' | 'places' | 'prefixes' | 'signs'>,
): ConnectionTexts {
  return {
    sharedSchemes: ['postgres', 'postgresql'],
    sharedPrefixes: ['pg'],
    settings,
    readUrl(url, draft) {
      readDatabaseUrl(url, draft);
      if (url.variant === 'iam') refused('The gateway signs in with user name and password.')('', draft, 'iam');
    },
    ...own,
  };
}
