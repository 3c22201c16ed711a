import { catalogCheck } from '../kit/checks/catalog.ts';
import { type Check, type CheckContext, required } from '../kit/contract/connector.ts';
import type { ManagedConfig } from './config.ts';

type Context = CheckContext<ManagedConfig, null>;

const storageOf = ({ storage }: Context) => required(storage, 'a port to the gateway’s own storage');

export const managedChecks: readonly Check<ManagedConfig, null>[] = [
  {
    name: 'storage/read',
    title: 'Read records',
    description: 'The gateway can read what it keeps for the datastore, and its data structure is there.',
    base: true,
    run: async (context) => ({ evidence: await storageOf(context).read() }),
  },
  {
    name: 'storage/write',
    title: 'Write a record',
    description: 'There is room for another record: one is written, and taken back at once.',
    runsByDefault: false,
    writes: true,
    run: async (context) => ({ evidence: await storageOf(context).write() }),
  },
];

/** All records look alike: they are one collection, whose columns are the fields of the data structure. */
export const managedCatalog = catalogCheck<ManagedConfig, null>(async function* (context) {
  yield [{ namespace: null, name: 'records', kind: 'COLLECTION', columns: await storageOf(context).columns() }];
});
