import { afterAll, describe } from 'vitest';
import type { Database } from '../../src/platform/database/database.ts';
import { newTestDatabase } from './databases.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts';

/**
 * Starts a gateway on a database of its own, or on that of another one: give its databaseUrl and folder. It is closed
 * when the suite ends.
 */
export type OpenTestGateway = (options?: TestGatewayOptions) => Promise<TestGateway>;

/** The suite twice: with gateways on SQLite in a file, and on a real Postgres. */
export function describeEachGateway(
  name: string,
  suite: (open: OpenTestGateway, kind: Database['kind']) => void,
): void {
  for (const kind of ['sqlite', 'postgres'] as const) {
    describe(`${name} on ${kind === 'sqlite' ? 'SQLite' : 'Postgres'}`, () => {
      const endings: (() => Promise<unknown>)[] = [];
      afterAll(async () => {
        for (const ending of endings.reverse()) await ending();
      });
      const open: OpenTestGateway = async (options = {}) => {
        const { databaseUrl } = options;
        const place = databaseUrl === undefined ? await newTestDatabase(kind) : undefined;
        if (place) endings.push(place.remove);
        const gateway = await startGateway({ ...options, databaseUrl: databaseUrl ?? place?.url });
        endings.push(() => gateway.close());
        return gateway;
      };
      suite(open, kind);
    });
  }
}
