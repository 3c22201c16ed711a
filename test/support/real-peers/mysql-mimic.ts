import { MYSQL_MIMIC, startMysqlMimic } from '../peers/mysql-mimic.ts';
import { mysqlStand } from '../stands/mysql.ts';
import { ACCOUNT } from '../stands/mysql-family.ts';
import { inClearText } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

const CLEAR = 'Over TLS it loses what comes together with the request for it, so it is tried in clear text alone.';

export const mysqlMimicPeer: RealPeer = {
  name: 'mysql-mimic 3.0',
  programs: MYSQL_MIMIC,
  stand: inClearText({ ...mysqlStand, start: () => startMysqlMimic(ACCOUNT.password) }),
  cannot: {
    'a limit is reached': 'It knows no limits of accounts.',
    'self-signed': CLEAR,
    'for another name': CLEAR,
    expired: CLEAR,
    'missing name': 'It takes any name for that of a database.',
    'no right': 'It knows no rights.',
  },
  otherwise: {
    'wrong password or key': {
      hint: /The account or the server may also ask for TLS/,
      why: 'In clear text the hint names TLS as another reason.',
    },
    'unknown user': {
      configPath: 'username',
      hint: /^The server knows no such account/,
      why: 'It has the number 3162 for an unknown user, which is about the name alone.',
    },
  },
};
