import type { SettingReader } from '../../kit/connection-text/connection-text.ts';

/** The settings of an access key, as AWS' own tools and their files name them. */
export const awsSettings: Readonly<Record<string, SettingReader>> = {
  defaultregion: 'region',
  awsregion: 'region',
  regionname: 'region',
  accesskey: 'accessKeyId',
  secretkey: 'secretAccessKey',
  secretaccesskeyid: 'secretAccessKey',
  securitytoken: 'sessionToken',
  token: 'sessionToken',
};
