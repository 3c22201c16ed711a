import type { ConfigDraft } from '../kit/connection-text/config-draft.ts';
import type { ConnectionTexts, ReadSetting } from '../kit/connection-text/connection-text.ts';
import { host, passOver } from '../kit/connection-text/shared-settings.ts';

const TOKEN = 'authentication.accessToken.token';

/** The user of a token is always `token`. */
const user: ReadSetting = (value, draft, name) => {
  if (value !== 'token') draft.ignore(name, 'The gateway signs in with a token or as a service principal.');
};

const port: ReadSetting = (value, draft, name) => {
  if (value !== '443') draft.ignore(name, 'A SQL warehouse answers at port 443.');
};

/** A path is that of a warehouse, or names a schema: `default` when none is meant. */
function setPath(path: readonly string[], draft: ConfigDraft): void {
  const [first = ''] = path;
  if (first === 'sql') draft.set('httpPath', `/${path.join('/')}`, 'httpPath');
  else if (first !== 'default') draft.set('schema', first, 'schema');
}

export const databricksConnectionTexts: ConnectionTexts = {
  examples: [
    'databricks://token:dapi-token@dbc-a1b2345c-d6e7.cloud.databricks.com:443?http_path=/sql/1.0/warehouses/a1b234c567d8e9fa&catalog=main',
    'jdbc:databricks://dbc-a1b2345c-d6e7.cloud.databricks.com:443/default;transportMode=http;ssl=1;AuthMech=3;httpPath=/sql/1.0/warehouses/a1b234c567d8e9fa;UID=token;PWD=dapi-token',
    'DATABRICKS_HOST=https://dbc-a1b2345c-d6e7.cloud.databricks.com\nDATABRICKS_HTTP_PATH=/sql/1.0/warehouses/a1b234c567d8e9fa\nDATABRICKS_TOKEN=dapi-token',
  ],
  schemes: ['databricks', 'spark'],
  sharedSchemes: ['https'],
  places: /^[^/]*\.(?:cloud\.databricks\.com|azuredatabricks\.net|gcp\.databricks\.com)[:/]/,
  signs: ['httppath', 'authmech'],
  settings: {
    host,
    server: host,
    serverhostname: host,
    hostname: host,
    port,
    user,
    uid: user,
    password: TOKEN,
    pwd: TOKEN,
    accesstoken: TOKEN,
    authaccesstoken: TOKEN,
    sqlhttppath: 'httpPath',
    oauth2clientid: 'authentication.oauth.clientId',
    oauth2secret: 'authentication.oauth.clientSecret',
    conncatalog: 'catalog',
    connschema: 'schema',
    initialcatalog: 'catalog',
    initialschema: 'schema',
    transportmode: passOver,
    thrifttransport: passOver,
    sparkservertype: passOver,
    authmech: passOver,
    authflow: passOver,
    authtype: passOver,
    ssl: passOver,
  },
  readUrl({ hosts: [first], username, password, path }, draft) {
    draft.set('host', first?.host ?? '', 'host');
    if (first?.port !== undefined) port(first.port, draft, 'port');
    if (username !== undefined) user(username, draft, 'username');
    draft.set(TOKEN, password ?? '', 'password');
    setPath(path, draft);
  },
};
