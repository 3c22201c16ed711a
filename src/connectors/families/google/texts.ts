import type { ReadSetting, SettingReader } from '../../kit/connection-text/connection-text.ts';
import { passOver } from '../../kit/connection-text/shared-settings.ts';

/** Another kind of key than a service account's stays in the config, where its issue says what to give instead. */
const kind: ReadSetting = (value, draft, name) => {
  // a credential configuration file says by its audience what it is
  if (value !== 'external_account') draft.set('credentials.type', value, name);
};

/** `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken`. */
const impersonated: ReadSetting = (value, draft, name) => {
  const [, email] = /\/serviceAccounts\/([^/:]+):generateAccessToken$/.exec(value) ?? [];
  if (email === undefined) draft.ignore(name, 'It names no service account.');
  else draft.set('workloadIdentity.serviceAccountEmail', email, name);
};

/** The settings of a service account's JSON file, and of JDBC's drivers. */
export const serviceAccountSettings: Readonly<Record<string, SettingReader>> = {
  type: kind,
  privatekey: (value, draft, name) => draft.set('credentials.privateKey', value.replaceAll('\\n', '\n'), name),
  oauthserviceacctemail: 'credentials.clientEmail',
  oauthpvtkey: (value, draft, name) => draft.set('credentials.privateKey', value.replaceAll('\\n', '\n'), name),
  oauthtype: passOver,
  audience: 'workloadIdentity.audience',
  subjecttokentype: passOver,
  tokenurl: passOver,
  serviceaccountimpersonationurl: impersonated,
};
