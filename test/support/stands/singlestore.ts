import { singlestore } from '../../../src/connectors/singlestore/index.ts';
import { mysqlFamilyStand } from './mysql-family.ts';

const TABLES = [
  {
    name: 'clients',
    columns: [
      ['id', 'bigint(20)', false],
      ['name', 'text CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci', true],
    ],
  },
  { name: 'recent', type: 'VIEW', columns: [['id', 'bigint(20)', false]] },
] as const;

/** What a server of today says of itself: `version()` is that of the MySQL it is compatible with. */
export const singlestoreStand = mysqlFamilyStand(singlestore, {
  plugin: 'mysql_native_password',
  version: '5.7.32',
  memsqlVersion: '8.7.12',
  databases: { shop: TABLES },
});
