import { randomUUID } from 'node:crypto';
import { managed } from '../../../src/connectors/managed/index.ts';
import { BYTES_IN_MB } from '../../../src/modules/managed-data/managed-config.ts';
import { ManagedStorage } from '../../../src/modules/managed-data/storage.ts';
import { Database } from '../../../src/platform/database/database.ts';
import { migrateToLatest } from '../../../src/platform/database/migrate.ts';
import { LocalDoorbell } from '../../../src/platform/streams/doorbell.ts';
import type { Stand, StandPeer } from './stand.ts';

export interface ManagedPeerOptions {
  /** How much the records of the store have, in bytes. Left out: nothing. */
  readonly usedBytes?: number;
  /** The data structure that there is. */
  readonly dataStructureId?: string;
}

const MAX_SIZE_MB = 1;

/** A database of the gateway's own with one managed datastore. It has no port: nothing is connected to. */
async function startGatewayDatabase(options: ManagedPeerOptions = {}): Promise<StandPeer> {
  const database = await Database.open({ url: 'sqlite::memory:', doorbell: new LocalDoorbell() });
  await migrateToLatest(database);
  const [environmentId, datastoreId] = [randomUUID(), randomUUID()];
  const stamps = { created_at: '', updated_at: '', created_by: 'test' };
  const { query } = database;
  await query
    .insertInto('environments')
    .values({ id: environmentId, name: 'test', ...stamps })
    .execute();
  const names = { name: 'store', label: 'Store', label_folded: 'store', config: '{}', secrets: '[]' };
  await query
    .insertInto('datastores')
    .values({
      ...{ id: datastoreId, environment_id: environmentId, type: 'MANAGED', version: 1 },
      ...{ ...names, ...stamps, updated_by: 'test' },
    })
    .execute();
  const used = { used_bytes: options.usedBytes ?? 0, record_count: 0, last_event: 0 };
  await query
    .insertInto('managed_stores')
    .values({ datastore_id: datastoreId, max_bytes: MAX_SIZE_MB * BYTES_IN_MB, ...used })
    .execute();
  const structure = { environment_id: environmentId, name: 'orders', strict: 0, fields: '[]' };
  if (options.dataStructureId)
    await query
      .insertInto('data_structures')
      .values({ id: options.dataStructureId, ...structure })
      .execute();
  return {
    port: 0,
    storage: (config) => new ManagedStorage(database, { environmentId, datastoreId, config }),
    close: () => database.close(),
  };
}

export const managedStand: Stand<ManagedPeerOptions> = {
  connector: managed,
  config: { maxSizeMb: MAX_SIZE_MB },
  start: (_none, options) => startGatewayDatabase(options),
  trials: {
    'wrong password or key': { never: 'Nobody signs in.' },
    'unknown user': { never: 'Nobody signs in.' },
    'missing name': {
      change: { dataStructureId: '7b0d4c1e-2f3a-4b5c-8d6e-9f0a1b2c3d4e' },
      code: 'RESOURCE_NOT_FOUND',
      configPath: 'dataStructureId',
      seenInAnswer: true,
    },
    'no right': { never: 'Nobody signs in.' },
  },
};
