import { expect, onTestFinished, test } from 'vitest';
import type { LimitVariable } from '../../src/errors/limits.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { StartTest } from '../support/operations.ts';
import { startTarpit } from '../support/peers/tarpit.ts';

const AT_ONCE = 8;
const LIMIT = 3;

/** Who asks for what, and who else is not held back by it. */
interface Wanted {
  readonly variable: LimitVariable;
  readonly says: RegExp;
  readonly same: Partial<Parts>;
  readonly other: Partial<Parts>;
}
interface Parts {
  readonly caller: 'a' | 'b';
  readonly environment: 'a' | 'b';
  readonly target: 'a' | 'b';
}

const wanted: readonly Wanted[] = [
  {
    variable: 'MAX_TESTS_PER_TOKEN',
    says: /3 connection tests at once for one token/,
    same: { environment: 'b', target: 'b' },
    other: { caller: 'b' },
  },
  {
    variable: 'MAX_TESTS_PER_ENVIRONMENT',
    says: /3 connection tests at once in one environment/,
    same: { caller: 'b', target: 'b' },
    other: { environment: 'b' },
  },
  {
    variable: 'MAX_TESTS_PER_TARGET',
    says: /3 connection tests at once of one server/,
    same: { caller: 'b', environment: 'b' },
    other: { target: 'b' },
  },
];

describeEachGateway('connection tests at once', (open) => {
  test.each(wanted)('$variable counts those of all replicas, exactly', async ({ variable, says, same, other }) => {
    const limits = { [variable]: LIMIT };
    const first = await open({ limits });
    const { databaseUrl, folder } = first;
    const second = await open({ limits, databaseUrl, folder });
    const tarpits = { a: await startTarpit(), b: await startTarpit() };
    onTestFinished(() => Promise.all([tarpits.a.close(), tarpits.b.close()]).then(() => undefined));
    const tokens = { a: first.token, b: await first.createToken('b', ['DATASTORES_TEST', 'DATASTORES_READ']) };
    const api = apiOf(first);
    const environments = { a: await api.newEnvironment(), b: await api.newEnvironment() };
    const start = (gateway: TestGateway, { caller = 'a', environment = 'a', target = 'a' }: Partial<Parts> = {}) => {
      const config = { postgres: postgresConfig({ port: tarpits[target].port }) };
      const input = {
        target: { draft: { environmentId: environments[environment], config } },
        options: { timeoutMs: 120_000 },
      };
      return gateway.execute(StartTest, { input }, tokens[caller]);
    };
    const codeOf = ({ errors, data }: Awaited<ReturnType<typeof start>>) =>
      errors?.[0]?.extensions?.code ?? data?.startConnectionTest.__typename;
    const started = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) => start(index % 2 ? first : second, index < 4 ? {} : same)),
    );
    const codes = started.map(codeOf);
    expect(codes.filter((code) => code === 'StartConnectionTestSuccess')).toHaveLength(LIMIT);
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(AT_ONCE - LIMIT);
    const refusal = started.find(({ errors }) => errors)?.errors?.[0];
    expect(refusal?.message).toMatch(says);
    expect(refusal?.extensions).toMatchObject({ limit: LIMIT, variable, retryAfterSeconds: 5 });
    expect(codeOf(await start(second, other))).toBe('StartConnectionTestSuccess');
    await endOne(api, started);
    expect(codeOf(await start(second))).toBe('StartConnectionTestSuccess');
    expect(codeOf(await start(second))).toBe('RATE_LIMITED');
  });

  async function endOne(api: Api, started: readonly { data?: unknown }[]): Promise<void> {
    const ids = started.flatMap(({ data }) => {
      const result = (data as { startConnectionTest?: { test?: { id: string } } } | null | undefined)
        ?.startConnectionTest;
      return result?.test ? [result.test.id] : [];
    });
    await api.cancel(ids[0] ?? '');
    await api.ended(ids[0] ?? '');
  }
});
