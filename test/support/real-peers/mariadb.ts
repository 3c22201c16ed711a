import mysql2 from 'mysql2/promise';
import { MARIADB, type MariadbServer, startMariadb } from '../peers/mariadb.ts';
import { mysqlStand } from '../stands/mysql.ts';
import { ACCOUNT } from '../stands/mysql-family.ts';
import { singlestoreStand } from '../stands/singlestore.ts';
import type { Stand, StandPeer } from '../stands/stand.ts';
import { authority } from '../use-stand.ts';
import type { RealPeer } from './real-peer.ts';

/** Of the accounts of the suite’s own. */
export const PASSWORD = "correct horse \\ $ä✓ 'battery'";
const SETUP = `
  set sql_mode = 'NO_BACKSLASH_ESCAPES';
  create database shop; create database Shop; create database \`odd\`\`? name\`; create database closed;
  create user app identified by '${PASSWORD.replaceAll("'", "''")}';
  create user builder identified by '${PASSWORD.replaceAll("'", "''")}';
  create user careless identified by '${PASSWORD.replaceAll("'", "''")}';
  create user secure identified by '${PASSWORD.replaceAll("'", "''")}' require ssl;
  create user mutual identified by '${PASSWORD.replaceAll("'", "''")}' require x509;
  create user by_certificate require subject '/CN=by_certificate';
  create user locked identified by '${PASSWORD.replaceAll("'", "''")}' account lock;
  create user hurried identified by '${PASSWORD.replaceAll("'", "''")}' with max_queries_per_hour 1;
  create user expired identified by '${PASSWORD.replaceAll("'", "''")}' password expire;
  create user elsewhere@'192.0.2.1' identified by '${PASSWORD.replaceAll("'", "''")}';
  create user system identified via unix_socket;
  install soname 'auth_ed25519';
  create user modern identified via ed25519 using password('${PASSWORD.replaceAll("'", "''")}');
  grant select on shop.* to app, secure, mutual, by_certificate, hurried, modern, expired;
  create user least identified by '${PASSWORD.replaceAll("'", "''")}';
  grant select on \`odd\`\`? name\`.* to app;
  grant select on shop.* to builder; grant create, drop on \`dsg\\_test\\_%\`.* to builder;
  grant select on shop.* to careless; grant create on *.* to careless;
  use shop;
  create table clients (id bigint unsigned primary key, name varchar(255), kind enum('a','b') not null);
  create table Clients (since date) with system versioning;
  create view recent as select id, name from clients;
  grant select (id) on clients to least;
  create sequence numbers;
  create table \`we'ird\\\`\`näme\` (\`a b\` json);
  create table Shop.other (a int);
  use closed;
  create table secret (a int)`;

/** The accounts of the stand. Who may not create databases is not told which there are none of. */
const ACCOUNTS = `
  create user '${ACCOUNT.username}' identified by '${ACCOUNT.password}';
  grant select on shop.* to '${ACCOUNT.username}'; grant create on *.* to '${ACCOUNT.username}';
  create user stranger identified by '${ACCOUNT.password}';
  create user crowded identified by '${ACCOUNT.password}' with max_connections_per_hour 1`;

export interface MariadbPeer extends StandPeer {
  readonly server: MariadbServer;
}

export const mariadbPeer = mariadbAs(mysqlStand);
export const mariadbAsSinglestore = mariadbAs(singlestoreStand);

function mariadbAs({ start: _fake, ...stand }: Stand): RealPeer<object, MariadbPeer> {
  return {
    name: 'MariaDB 10.11',
    programs: MARIADB,
    stand: {
      ...stand,
      start: async (certificate) => {
        const server = await startMariadb(certificate ? { tls: { ...certificate, ca: authority.certificate } } : {});
        await server.administer(SETUP);
        await server.administer(ACCOUNTS);
        return { port: server.port, server, present: server.present, close: server.stop };
      },
      limited: { change: { username: 'crowded' }, during: useUp, code: 'TOO_MANY_REQUESTS', configPath: null },
    },
    version: ['/usr/sbin/mariadbd', '--version'],
  };
}

/** Takes the one connection that the user has an hour. */
async function useUp({ port }: StandPeer): Promise<undefined> {
  const account = { user: 'crowded', password: ACCOUNT.password, ssl: { rejectUnauthorized: false } };
  const connection = await mysql2.createConnection({ host: '127.0.0.1', port, ...account });
  await connection.end();
}
