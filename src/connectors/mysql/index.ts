import { ofRdsToken, rdsSignerOf } from '../families/aws/rds.ts';
import { withRole } from '../families/aws/sts.ts';
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
    '`mysql_native_password`, `caching_sha2_password`, `sha256_password`, a client certificate, or a token of AWS IAM.',
  category: 'SQL',
  provenAgainst:
    'real MariaDB 10.11, Dolt’s engine 0.20, and go-mysql 1.13 for every way to sign in, mysql-mimic 3.0; a fake that MySQL Connector/Python 26.10 accepts, and that verifies tokens of AWS IAM, which are those that boto3 1.44 signs',
  leastRights:
    'Any right on the database or on something in it: `SELECT` on one column of one table. With `awsIam` who signs needs `rds-db:connect`, and the account is `IDENTIFIED WITH AWSAuthenticationPlugin`.',
  recipe: mysqlRecipe,
  config: mysqlConfig,
  example: { host: 'db.example.com', username: 'app', password: 'not-a-real-password', database: 'shop' },
  principalSecret: 'password',
  defaultPort: 3306,
  ...withRole(rdsSignerOf, mysqlParts),
  explain: (error, config) => ofRdsToken(mysqlParts.explain(error, config), config),
  texts: mysqlConnectionTexts,
});
