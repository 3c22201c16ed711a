import type { SettingReader } from '../../kit/connection-text/connection-text.ts';
import { refused } from '../../kit/connection-text/shared-settings.ts';

const file = refused('It names a file: give the token in it as webIdentity.token.');

/** The settings of an access key and of a role, as AWS' own tools and their files name them. */
export const awsSettings: Readonly<Record<string, SettingReader>> = {
  defaultregion: 'region',
  awsregion: 'region',
  regionname: 'region',
  accesskey: 'accessKeyId',
  secretkey: 'secretAccessKey',
  secretaccesskeyid: 'secretAccessKey',
  securitytoken: 'sessionToken',
  token: 'sessionToken',
  rolearn: 'assumeRole.roleArn',
  assumerolearn: 'assumeRole.roleArn',
  externalid: 'assumeRole.externalId',
  rolesessionname: 'assumeRole.sessionName',
  webidentitytokenfile: file,
  endpointurlsts: 'stsUrl',
};
