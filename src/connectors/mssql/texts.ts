import type { ConfigDraft } from '../kit/connection-text/config-draft.ts';
import { readSwitch } from '../kit/connection-text/config-draft.ts';
import type { ConnectionTexts, ReadSetting } from '../kit/connection-text/connection-text.ts';
import { databaseSettings, lowersWhen, passOver, refused } from '../kit/connection-text/shared-settings.ts';
import { readHosts } from '../kit/connection-text/url.ts';

const INSTANCE = 'A server is found by its port: give the port of the instance instead of its name.';

/** Reads `tcp:db.example.com,1433` and `db.example.com\SQLEXPRESS`. */
const server: ReadSetting = (value, draft, name) => {
  const [place = '', port = ''] = value.replace(/^(?:tcp|np|lpc|admin):/i, '').split(',');
  const [host = '', instance] = place.trim().split('\\');
  const [first] = readHosts(host);
  if (instance !== undefined) draft.ignore('instance', INSTANCE);
  if (host === '.' || /^\(local(?:db)?\)/i.test(host))
    return draft.ignore(name, 'It means the machine of whoever connects: give the name of the server.');
  draft.set('host', first?.host ?? host, name);
  draft.set('port', port.trim() || (first?.port ?? ''), 'port');
};

/** Reads `reader` and `CORP\reader`. */
function setUser(value: string, draft: ConfigDraft, name: string): void {
  const cut = value.indexOf('\\');
  if (cut >= 0) draft.set('domain', value.slice(0, cut), name);
  draft.set('username', value.slice(cut + 1), name);
}

const encrypt: ReadSetting = (value, draft, name) => {
  if (/^strict$/i.test(value) || readSwitch(value) === true) return;
  draft.lowerTls('REQUIRE');
  draft.ignore(
    name,
    'It encrypts the sign-in alone. It was read as REQUIRE, which encrypts all and takes any certificate.',
  );
};

const windows = refused('The gateway signs in with user name and password; a Windows account needs its domain too.');
const isOn: ReadSetting = (value, draft, name) => {
  if (readSwitch(value) === true || /^sspi$/i.test(value)) windows(value, draft, name);
};

export const mssqlConnectionTexts: ConnectionTexts = {
  examples: [
    'Server=tcp:db.example.com,1433;Database=shop;User Id=reader;Password=password;Encrypt=True',
    'jdbc:sqlserver://db.example.com:1433;databaseName=shop;user=reader;password=password;encrypt=true',
    'sqlserver://reader:password@db.example.com:1433?database=shop&encrypt=true',
  ],
  schemes: ['sqlserver', 'mssql'],
  places: /^[^/]*\.database\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)[:/]/,
  prefixes: ['sqlserver'],
  signs: ['initialcatalog', 'encrypt', 'trustservercertificate', 'integratedsecurity', 'trustedconnection'],
  settings: {
    ...databaseSettings,
    host: server,
    hostname: server,
    server,
    servername: server,
    datasource: server,
    address: server,
    addr: server,
    networkaddress: server,
    instancename: refused(INSTANCE),
    user: setUser,
    username: setUser,
    userid: setUser,
    uid: setUser,
    encrypt,
    trustservercertificate: lowersWhen(true, 'REQUIRE'),
    hostnameincertificate: 'tls.serverName',
    trustedconnection: isOn,
    integratedsecurity: isOn,
    authenticationscheme: passOver,
    authentication: (value, draft, name) => {
      if (plainMethod(value) !== 'sqlpassword') draft.ignore(name, 'The gateway signs in with user name and password.');
    },
    persistsecurityinfo: passOver,
    currentschema: 'schema',
  },
  readUrl({ hosts, username, password, path, parameters }, draft) {
    const [first] = hosts;
    const [host = '', instance] = (first?.host ?? '').split('\\');
    draft.set('host', host, 'host');
    draft.set('port', first?.port ?? '', 'port');
    setUser(username ?? '', draft, 'username');
    draft.set('password', password ?? '', 'password');
    const hasDatabase = parameters.some(({ name }) => /^(?:database(?:name)?|initial catalog)$/i.test(name));
    if (instance !== undefined || (hasDatabase && path.length > 0)) draft.ignore('instance', INSTANCE);
    if (!hasDatabase) draft.set('database', path[0] ?? '', 'database');
    if (hosts.length > 1) draft.ignore('host', 'It names several hosts; the first one was taken.');
  },
};

function plainMethod(value: string): string {
  return value.toLowerCase().replaceAll(' ', '');
}
