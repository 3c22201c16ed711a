import type { ConnectionTexts, ReadSetting } from '../kit/connection-text/connection-text.ts';
import { passOver, pem, setPath } from '../kit/connection-text/shared-settings.ts';

/** Reads `org-account`, and the name or the URL of its host. */
const account: ReadSetting = (value, draft, name) => {
  const host = value.replace(/^https?:\/\//i, '').split(/[/:?#]/, 1)[0] ?? '';
  draft.set('account', host.replace(/^([^.]+)\.snowflakecomputing\.com$/i, '$1'), name);
};

const authenticator: ReadSetting = (value, draft, name) => {
  if (!/^(?:snowflake|snowflake_jwt|oauth|programmatic_access_token)$/i.test(value))
    draft.ignore(name, 'The gateway signs in with a password, a key pair or a token.');
};

const WAYS = { password: 'authentication.password.password', token: 'authentication.accessToken.token' } as const;

export const snowflakeConnectionTexts: ConnectionTexts = {
  examples: [
    'snowflake://READER:password@myorg-account1/ANALYTICS/PUBLIC?warehouse=COMPUTE_WH&role=READER',
    'jdbc:snowflake://myorg-account1.snowflakecomputing.com/?user=READER&password=password&db=ANALYTICS&warehouse=COMPUTE_WH',
    'SNOWFLAKE_ACCOUNT=myorg-account1\nSNOWFLAKE_USER=READER\nSNOWFLAKE_PASSWORD=password\nSNOWFLAKE_WAREHOUSE=COMPUTE_WH\nSNOWFLAKE_DATABASE=ANALYTICS',
  ],
  schemes: ['snowflake'],
  sharedSchemes: ['https'],
  places: /^[^/]*\.snowflakecomputing\.(?:com|cn)[:/]/,
  prefixes: ['sf'],
  settings: {
    account,
    accountname: account,
    accounturl: account,
    server: account,
    host: account,
    user: 'username',
    uid: 'username',
    password: WAYS.password,
    pwd: WAYS.password,
    token: WAYS.token,
    db: 'database',
    privatekey: pem('authentication.keyPair.privateKey'),
    privatekeyfile: pem('authentication.keyPair.privateKey'),
    privatekeypath: pem('authentication.keyPair.privateKey'),
    privatekeyfilepwd: 'authentication.keyPair.passphrase',
    privatekeypassphrase: 'authentication.keyPair.passphrase',
    authenticator,
    ssl: passOver,
    port: passOver,
    protocol: passOver,
  },
  readUrl({ hosts: [first], username, password, path, parameters }, draft) {
    account(first?.host ?? '', draft, 'account');
    draft.set('username', username ?? '', 'username');
    const isToken = parameters.some(
      ({ name, value }) => name === 'authenticator' && /^(?:oauth|programmatic_access_token)$/i.test(value),
    );
    draft.set(isToken ? WAYS.token : WAYS.password, password ?? '', 'password');
    setPath(path, ['database', 'schema'], draft);
  },
};
