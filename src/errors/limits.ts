import { type RequestErrorCode, RequestFault } from './api.ts';

/** What an operator may limit. `of` completes "The limit of 10 …"; without a default there is none. */
export const limitTable = {
  MAX_REQUESTS_PER_MINUTE: { of: 'requests a minute for one token', code: 'RATE_LIMITED', default: undefined },
  MAX_CONNECTIONS_PER_TOKEN: { of: 'open WebSockets for one token', code: 'TOO_MANY_SUBSCRIPTIONS', default: 100 },
  MAX_SUBSCRIPTIONS_PER_TOKEN: {
    of: 'open subscriptions for one token',
    code: 'TOO_MANY_SUBSCRIPTIONS',
    default: 1_000,
  },
  MAX_TRANSFERS_PER_TOKEN: { of: 'imports and exports at once for one token', code: 'RATE_LIMITED', default: 10 },
  MAX_WORKERS_PER_TOKEN: {
    of: 'workers that asked with one token within the hour',
    code: 'RATE_LIMITED',
    default: 1_000,
  },
  MAX_IMPORT_MB: { of: 'MB in one import', code: 'PAYLOAD_TOO_LARGE', default: 1_024 },
  MAX_TESTS_PER_TOKEN: { of: 'connection tests at once for one token', code: 'RATE_LIMITED', default: undefined },
  MAX_TESTS_PER_ENVIRONMENT: {
    of: 'connection tests at once in one environment',
    code: 'RATE_LIMITED',
    default: undefined,
  },
  MAX_TESTS_PER_TARGET: { of: 'connection tests at once of one server', code: 'RATE_LIMITED', default: undefined },
} as const satisfies Record<string, { of: string; code: RequestErrorCode; default: number | undefined }>;

/** The environment variable of a limit. */
export type LimitVariable = keyof typeof limitTable;
export type LimitSettings = Readonly<Partial<Record<LimitVariable, number | undefined>>>;

export const limitVariables = Object.keys(limitTable) as LimitVariable[];

/** The value of a limit; undefined where there is none. */
export function limitOf(settings: LimitSettings, variable: LimitVariable): number | undefined {
  return settings[variable] ?? limitTable[variable].default;
}

/** A limit that its operator has set is reached. It says which, its value and variable, and when to come back. */
export class LimitFault extends RequestFault {
  readonly variable: LimitVariable;
  readonly limit: number;
  /** In whole seconds. */
  readonly retryAfterSeconds: number;

  constructor(variable: LimitVariable, limit: number, retryAfterSeconds: number) {
    const { of, code } = limitTable[variable];
    super(code, `The limit of ${limit} ${of} is reached (${variable}). Try again in ${retryAfterSeconds} s.`);
    this.variable = variable;
    this.limit = limit;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
