import { mysqlFamily } from '../families/mysql/family.ts';

export const singlestoreParts = mysqlFamily({
  // `version()` is that of the MySQL that it is compatible with; only this variable tells the two apart
  version: '@@memsql_version',
  named(version) {
    const number = /\d{1,4}(?:\.\d{1,4}){1,3}/.exec(version ?? '')?.[0];
    return { server: number ? `SingleStore ${number}` : 'not SingleStore', isExpected: number !== undefined };
  },
});
