import type { ConnectionTexts } from '../kit/connection-text/connection-text.ts';

export const fireboltConnectionTexts: ConnectionTexts = {
  examples: [
    'jdbc:firebolt:sales?client_id=a1b2c3d4-example&client_secret=secret&account=my-account&engine=reports',
    'firebolt://a1b2c3d4-example:secret@sales/reports?account_name=my-account',
    'FIREBOLT_CLIENT_ID=a1b2c3d4-example\nFIREBOLT_CLIENT_SECRET=secret\nFIREBOLT_ACCOUNT=my-account\nFIREBOLT_DATABASE=sales',
  ],
  schemes: ['firebolt'],
  settings: {
    accountname: 'account',
    enginename: 'engine',
    user: 'clientId',
    password: 'clientSecret',
  },
  readUrl({ hosts: [first], username, password, path }, draft) {
    draft.set('clientId', username ?? '', 'username');
    draft.set('clientSecret', password ?? '', 'password');
    // SQLAlchemy has the database where a host would be; JDBC has no host
    const [database = '', engine = ''] = first ? [first.host, ...path] : path;
    draft.set('database', database, 'database');
    draft.set('engine', engine, 'engine');
  },
};
