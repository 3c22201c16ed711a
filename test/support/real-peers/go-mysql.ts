import { startMysqlEngine, startMysqlSignIn } from '../peers/go-mysql.ts';
import { goPrograms } from '../peers/go-programs.ts';
import { mysqlStand } from '../stands/mysql.ts';
import { ACCOUNT } from '../stands/mysql-family.ts';
import { singlestoreStand } from '../stands/singlestore.ts';
import type { Stand } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

/** Of the accounts of the suite’s own. */
export const PASSWORD = 'correct horse \\ $ä✓ battery';
const QUOTED = `'${PASSWORD.replaceAll('\\', '\\\\')}'`;
/** The suite’s own accounts and data, and the accounts of the stand. */
export const SETUP = [
  'create database shop',
  'create database closed',
  "create table shop.clients (id bigint unsigned primary key, name varchar(255), kind enum('a','b') not null)",
  'create view shop.recent as select id, name from shop.clients',
  'create table closed.secret (a int)',
  ...['app', 'builder'].map((user) => `create user ${user} identified with caching_sha2_password by ${QUOTED}`),
  `create user native identified with mysql_native_password by ${QUOTED}`,
  'create user open',
  ...['app', 'native', 'open'].map((user) => `grant select on shop.* to ${user}`),
  'grant all on *.* to builder',
  `create user '${ACCOUNT.username}' identified with caching_sha2_password by '${ACCOUNT.password}'`,
  `create user stranger identified with caching_sha2_password by '${ACCOUNT.password}'`,
  `grant select on *.* to '${ACCOUNT.username}'`,
];

const NO_LIMIT = 'It knows no limits of accounts.';

export const doltPeer = doltAs(mysqlStand);
export const doltAsSinglestore = doltAs(singlestoreStand);

function doltAs(stand: Stand): RealPeer {
  return {
    name: 'Dolt’s engine 0.20',
    programs: goPrograms('mysql-engine'),
    stand: {
      ...stand,
      start: async (certificate) => {
        if (!certificate) throw new Error('It is not started without TLS.');
        const { port, stop } = await startMysqlEngine({ certificate, setup: SETUP });
        return { port, close: stop };
      },
    },
    cannot: { 'a limit is reached': NO_LIMIT },
    otherwise: {
      'unknown user': {
        configPath: 'username',
        hint: /^The server has no way to sign this account in/,
        why: 'It says of an unknown account that it has no way to sign it in, which is about the name alone.',
      },
    },
  };
}

const ONE_USER = 'It knows one user, who may do everything, and answers every statement alike.';

export const goMysqlPeer: RealPeer = {
  name: 'go-mysql 1.13',
  programs: goPrograms('mysql-sign-in'),
  stand: {
    ...mysqlStand,
    methods: ['database/select', 'query/execute'],
    start: async (certificate) => {
      if (!certificate) throw new Error('It is not started without TLS.');
      const { username: user, password } = ACCOUNT;
      const { port, stop } = await startMysqlSignIn({ certificate, method: 'caching_sha2_password', user, password });
      return { port, close: stop };
    },
  },
  cannot: { 'a limit is reached': NO_LIMIT, 'missing name': ONE_USER, 'no right': ONE_USER },
  otherwise: {
    'unknown user': {
      configPath: 'username',
      hint: /^The server knows no such account/,
      why: 'It has the number 1449 for an unknown user, which is about the name alone.',
    },
  },
};
