import type { ReadSetting, SettingReader } from '../../kit/connection-text/connection-text.ts';
import { passOver } from '../../kit/connection-text/shared-settings.ts';

/** Another kind of key than a service account's stays in the config, where its issue says what to give instead. */
const kind: ReadSetting = (value, draft, name) => draft.set('credentials.type', value, name);

/** The settings of a service account's JSON file, and of JDBC's drivers. */
export const serviceAccountSettings: Readonly<Record<string, SettingReader>> = {
  type: kind,
  privatekey: (value, draft, name) => draft.set('credentials.privateKey', value.replaceAll('\\n', '\n'), name),
  oauthserviceacctemail: 'credentials.clientEmail',
  oauthpvtkey: (value, draft, name) => draft.set('credentials.privateKey', value.replaceAll('\\n', '\n'), name),
  oauthtype: passOver,
};
