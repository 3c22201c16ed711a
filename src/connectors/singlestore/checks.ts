import { isMysqlError } from '../families/mysql/failures.ts';
import { mysqlFamily } from '../families/mysql/family.ts';
import type { MysqlSession } from '../families/mysql/wire.ts';

const UNKNOWN_VARIABLE = 1193;

/**
 * Asks for SingleStore's own version. `version()` is that of the MySQL that it is compatible with; only this variable
 * tells the two apart.
 */
async function ownVersion(session: MysqlSession): Promise<string | null | undefined> {
  try {
    const [row] = await session.query('select @@memsql_version');
    return row?.[0];
  } catch (error) {
    if (isMysqlError(error) && error.errno === UNKNOWN_VARIABLE) return undefined;
    throw error;
  }
}

export const singlestoreParts = mysqlFamily(async (session) => {
  const number = /\d{1,4}(?:\.\d{1,4}){1,3}/.exec((await ownVersion(session)) ?? '')?.[0];
  return { server: number ? `SingleStore ${number}` : 'not SingleStore', isExpected: number !== undefined };
});
