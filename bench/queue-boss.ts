import { createRequire } from 'node:module';

export const QUEUE = 'tests';

/** What is used of pg-boss, which is among the packages of bench/peers. */
export interface Boss {
  start(): Promise<unknown>;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  createQueue(name: string, options: object): Promise<unknown>;
  send(name: string, data: object): Promise<unknown>;
  work(name: string, options: object, handle: (jobs: readonly BossJob[]) => Promise<unknown>): Promise<unknown>;
  stop(options: object): Promise<unknown>;
}

export interface BossJob {
  readonly id: string;
  readonly data: { readonly host: string };
}

/** Starts pg-boss with its shortest times: it looks every second for who is gone, and is rung for new work. */
export async function startBoss(connectionString: string): Promise<Boss> {
  const { PgBoss } = (await import(
    createRequire(new URL('peers/package.json', import.meta.url)).resolve('pg-boss')
  )) as {
    readonly PgBoss: new (options: object) => Boss;
  };
  const seconds = { superviseIntervalSeconds: 1, monitorIntervalSeconds: 1 };
  const boss = new PgBoss({ connectionString, max: 10, useListenNotify: true, ...seconds });
  boss.on('error', (error) => process.stderr.write(`${String(error)}\n`));
  await boss.start();
  return boss;
}
