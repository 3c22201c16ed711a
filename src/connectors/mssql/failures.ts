import type { FailureCode } from '../../errors/check-failures.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import { MssqlError } from './session.ts';

const PASSWORD_HINT = 'Check `username` and `password`: the server does not say which of them is wrong.';
const FIREWALL_HINT = 'The server’s firewall does not let the gateway’s address in: add a rule for it.';
const READ_ONLY_HINT = 'The database only reads: connect to the primary server.';

/** The failure behind each of the server's numbers that means one thing only. */
const BY_NUMBER: Readonly<Record<number, readonly [FailureCode, FailureDetails]>> = {
  18456: ['PASSWORD_REFUSED', { configPath: 'password', hint: PASSWORD_HINT }],
  18452: [
    'SIGN_IN_METHOD_REFUSED',
    {
      configPath: 'domain',
      hint: 'The server does not trust the domain, or lets only Windows accounts in: check `domain`.',
    },
  ],
  18470: [
    'PERMISSION_DENIED',
    { configPath: 'username', hint: 'The login is disabled: enable it at the server (ALTER LOGIN … ENABLE).' },
  ],
  18486: [
    'PERMISSION_DENIED',
    { configPath: 'username', hint: 'The login is locked: unlock it at the server (ALTER LOGIN … UNLOCK).' },
  ],
  18487: ['PASSWORD_REFUSED', { configPath: 'password', hint: 'The password has expired: change it at the server.' }],
  18488: [
    'PASSWORD_REFUSED',
    { configPath: 'password', hint: 'The password has expired or was reset: change it at the server.' },
  ],
  40532: [
    'PASSWORD_REFUSED',
    { configPath: 'username', hint: 'Azure wants the login as name@server: give `username` so.' },
  ],
  40615: ['PERMISSION_DENIED', { configPath: 'host', hint: FIREWALL_HINT }],
  40914: ['PERMISSION_DENIED', { configPath: 'host', hint: FIREWALL_HINT }],
  47073: ['PERMISSION_DENIED', { configPath: 'host', hint: FIREWALL_HINT }],
  4060: [
    'DATABASE_NOT_FOUND',
    { configPath: 'database', hint: 'Check `database`: there is none of that name, or the login may not open it.' },
  ],
  911: ['DATABASE_NOT_FOUND', { configPath: 'database' }],
  916: ['PERMISSION_DENIED', { configPath: 'database', hint: 'Make a user for the login in the database.' }],
  208: ['RESOURCE_NOT_FOUND', {}],
  3906: ['PERMISSION_DENIED', { configPath: 'database', hint: READ_ONLY_HINT }],
  17809: ['TOO_MANY_REQUESTS', { hint: 'The server has no connection left. Try again later.' }],
  10928: ['TOO_MANY_REQUESTS', {}],
  10929: ['TOO_MANY_REQUESTS', {}],
};

/** The numbers for a missing right to select, to create, to see, to run. */
const NO_RIGHT: readonly number[] = [229, 230, 262, 297, 300, 2760, 15_151, 15_247];
/** The numbers of a server that is starting, stopping, moving or busy, or whose copy cannot be read now. */
const UNAVAILABLE: readonly number[] = [
  904, 921, 922, 927, 942, 976, 978, 979, 982, 983, 6005, 17_142, 17_187, 17_188, 17_197, 18_401, 40_197, 40_501,
  40_613, 49_918, 49_919, 49_920,
];

/** The failure behind an error of a SQL Server. Undefined when the error is none of its own. */
export function explainMssql(error: unknown): Failure | undefined {
  if (!(error instanceof MssqlError)) return undefined;
  // the first known number counts: a server sends the reason before the refusal that follows from it
  for (const number of error.numbers) {
    const failure = numberFailure(number, error);
    if (failure) return failure.with({ serverError: number });
  }
  return new Failure('SERVER_ERROR', { error, evidence: { serverError: error.numbers[0] } });
}

function numberFailure(number: number, error: MssqlError): Failure | undefined {
  const known = BY_NUMBER[number];
  if (known) return new Failure(known[0], { ...known[1], error });
  if (NO_RIGHT.includes(number)) return new Failure('PERMISSION_DENIED', { error, configPath: 'username' });
  return UNAVAILABLE.includes(number) ? new Failure('SERVER_UNAVAILABLE', { error }) : undefined;
}

/** Tells whether the server has taken the login, but does not open the database. */
export function isAboutDatabase(error: unknown): error is MssqlError {
  return error instanceof MssqlError && error.numbers.includes(4060);
}
