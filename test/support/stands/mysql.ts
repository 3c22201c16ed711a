import { mysql } from '../../../src/connectors/mysql/index.ts';
import { mysqlFamilyStand } from './mysql-family.ts';

const TABLES = [
  {
    name: 'clients',
    columns: [
      ['id', 'bigint(20) unsigned', false],
      ['name', 'varchar(255)', true],
    ],
  },
  { name: 'Clients', columns: [['since', 'date', true]] },
  { name: "we'ird\\`näme", type: 'VIEW', columns: [['a b', "enum('x','y')", false]] },
  { name: 'numbers', type: 'SEQUENCE', columns: [] },
] as const;

export const mysqlStand = mysqlFamilyStand(mysql, { databases: { shop: TABLES, 'odd`? name': [] } });
