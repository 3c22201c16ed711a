import { defineConnector } from '../kit/contract/connector.ts';
import { mysqlParts } from './checks.ts';
import { mysqlConfig } from './config.ts';
import { mysqlRecipe } from './documentation.ts';
import { mysqlConnectionTexts } from './texts.ts';

export const mysql = defineConnector({
  type: 'MYSQL',
  title: 'MySQL',
  description:
    'A database of a MySQL server, version 5.7 or newer, of MariaDB, or of a service that speaks its protocol. Accounts sign in with ' +
    '`mysql_native_password`, `caching_sha2_password`, `sha256_password`, or a client certificate.',
  category: 'SQL',
  provenAgainst:
    'real MariaDB 10.11, Dolt’s engine 0.20, and go-mysql 1.13 for every way to sign in; a fake that MySQL Connector/Python accepts',
  leastRights: 'Any right on the database or on something in it: `SELECT` on one column of one table.',
  recipe: mysqlRecipe,
  config: mysqlConfig,
  example: { host: 'db.example.com', username: 'app', password: 'not-a-real-password', database: 'shop' },
  principalSecret: 'password',
  defaultPort: 3306,
  ...mysqlParts,
  texts: mysqlConnectionTexts,
});
