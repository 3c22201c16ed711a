import { randomUUID } from 'node:crypto';
import { PATIENCE_MS } from './eventually.ts';
import type { GatewayClient } from './gateway.ts';
import type {
  ConnectionTestOptions,
  CreateDatastoreInput,
  DatastoreSelection,
  StartConnectionTestInput,
  UpdateDatastoreInput,
} from './gql/graphql.ts';
import {
  CancelTest,
  CreateDatastore,
  CreateEnvironment,
  DeleteDatastores,
  ListDatastores,
  Progress,
  ReadDatastore,
  ReadTest,
  StartTest,
  UpdateDatastore,
} from './operations.ts';
import { expectType } from './results.ts';

export type Api = ReturnType<typeof apiOf>;

/** The same; its test has longer than by default, for it may have to pass on a machine that is busy with others. */
function patient<Input extends { readonly test?: ConnectionTestOptions | null }>(input: Input): Input {
  return input.test ? { ...input, test: { timeoutMs: PATIENCE_MS, ...input.test } } : input;
}

/** The operations that most suites need, as one caller: `created` and the like fail unless it came to that. */
export function apiOf(gateway: GatewayClient, token?: string) {
  const create = async (input: CreateDatastoreInput) =>
    (await gateway.run(CreateDatastore, { input: patient(input) }, token)).createDatastore;
  const update = async (input: UpdateDatastoreInput) =>
    (await gateway.run(UpdateDatastore, { input: patient(input) }, token)).updateDatastore;
  const remove = async (select: DatastoreSelection) =>
    (await gateway.run(DeleteDatastores, { input: { select } }, token)).deleteDatastores;
  const startTest = async (input: StartConnectionTestInput) =>
    (
      await gateway.run(
        StartTest,
        { input: { ...input, options: { timeoutMs: PATIENCE_MS, ...input.options } } },
        token,
      )
    ).startConnectionTest;
  return {
    create,
    update,
    remove,
    startTest,
    created: async (input: CreateDatastoreInput) => expectType(await create(input), 'CreateDatastoreSuccess').datastore,
    updated: async (input: UpdateDatastoreInput) => expectType(await update(input), 'UpdateDatastoreSuccess').datastore,
    removed: async (...ids: string[]) => expectType(await remove({ ids }), 'DeleteDatastoresSuccess').deletedIds,
    testStarted: async (input: StartConnectionTestInput) =>
      expectType(await startTest(input), 'StartConnectionTestSuccess').test,
    cancel: async (id: string) => (await gateway.run(CancelTest, { id }, token)).cancelConnectionTest,
    read: async (id: string) => (await gateway.run(ReadDatastore, { id }, token)).datastore,
    readTest: async (id: string) => (await gateway.run(ReadTest, { id }, token)).connectionTest,
    count: async (environmentId: string) =>
      (await gateway.run(ListDatastores, { environmentId }, token)).datastores.totalCount,
    /** Waits for a test's end. */
    async ended(id: string) {
      const events = await gateway.follow(Progress, { id, after: 0 }, { ...(token ? { token } : {}) });
      const test = events.at(-1)?.data?.connectionTestProgress.test;
      if (!test) throw new Error(`No test ${id}: ${JSON.stringify(events)}`);
      return test;
    },
    /** A fresh environment, for tests that count. */
    async newEnvironment() {
      const input = { name: `e ${randomUUID()}` };
      const { createEnvironment } = await gateway.run(CreateEnvironment, { input }, token);
      return expectType(createEnvironment, 'CreateEnvironmentSuccess').environment.id;
    },
  };
}
