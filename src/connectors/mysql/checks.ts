import { rdsToken } from '../families/aws/rds.ts';
import { mysqlFamily } from '../families/mysql/family.ts';
import type { MysqlConfig } from './config.ts';

const NUMBER = /(\d{1,4}(?:\.\d{1,4}){1,3})/.source;
/**
 * The products that speak the protocol, by what their version says of them: `8.0.11-TiDB-v7.5.1`, `10.11.19-MariaDB-1`.
 */
const PRODUCTS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`^${NUMBER}-MariaDB`), 'MariaDB'],
  [new RegExp(`-TiDB-v${NUMBER}`), 'TiDB'],
  [new RegExp(`^${NUMBER}-Vitess`), 'Vitess'],
  [new RegExp(`^${NUMBER}`), 'MySQL'],
];

/** The product's name and number, and nothing more of what the server says. */
export function mysqlProduct(version: string | null | undefined): string {
  for (const [pattern, name] of PRODUCTS) {
    const number = pattern.exec(version ?? '')?.[1];
    if (number) return `${name} ${number}`;
  }
  return 'MySQL';
}

export const mysqlParts = mysqlFamily<MysqlConfig>(
  { version: 'version()', named: (version) => ({ server: mysqlProduct(version), isExpected: true }) },
  rdsToken,
);
