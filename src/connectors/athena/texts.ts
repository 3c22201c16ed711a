import { awsSettings } from '../families/aws/texts.ts';
import type { ConnectionTexts } from '../kit/connection-text/connection-text.ts';

const OWN_HOST = /^athena\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/;

export const athenaConnectionTexts: ConnectionTexts = {
  examples: [
    'jdbc:awsathena://AwsRegion=eu-central-1;User=AKIAIOSFODNN7EXAMPLE;Password=secret-access-key;S3OutputLocation=s3://shop-results/athena/',
    'awsathena+rest://AKIAIOSFODNN7EXAMPLE:secret-access-key@athena.eu-central-1.amazonaws.com:443/sales?s3_staging_dir=s3://shop-results/athena/',
  ],
  schemes: ['awsathena', 'athena'],
  places: /^athena\./,
  prefixes: ['awsathena'],
  sharedPrefixes: ['aws'],
  signs: ['s3outputlocation', 's3stagingdir'],
  settings: {
    ...awsSettings,
    user: 'accessKeyId',
    username: 'accessKeyId',
    uid: 'accessKeyId',
    password: 'secretAccessKey',
    pwd: 'secretAccessKey',
    s3outputlocation: 'outputLocation',
    s3stagingdir: 'outputLocation',
    outputbucket: 'outputLocation',
    schema: 'database',
    schemaname: 'database',
    catalogname: 'catalog',
    endpointoverride: 'baseUrl',
    athenaendpoint: 'baseUrl',
  },
  readUrl({ hosts: [first], username, password, path, parameters }, draft) {
    const host = first?.host ?? '';
    const region = OWN_HOST.exec(host)?.[1];
    // `jdbc:awsathena://AwsRegion=…;User=…` has its first parameter where the host would be
    const inHost = /^(?:aws)?region=([a-z0-9-]+)$/i.exec(host)?.[1];
    const named = parameters.find(({ name }) => /^(?:aws)?region(?:_name)?$/i.test(name))?.value;
    draft.set('region', region ?? inHost ?? named ?? '', 'region');
    if (host !== '' && region === undefined && inHost === undefined) draft.set('baseUrl', `https://${host}`, 'host');
    draft.set('accessKeyId', username ?? '', 'username');
    draft.set('secretAccessKey', password ?? '', 'password');
    draft.set('database', path[0] ?? '', 'database');
  },
};
