import { setImmediate as immediate } from 'node:timers/promises';
import type { Misfit, Misfits } from '../../errors/api.ts';
import type { Change } from '../../platform/database/database.ts';
import { Faults } from '../data-structures/faults.ts';
import { judgeRecord } from '../data-structures/judge.ts';
import type { DataStructure, StoredRecords } from '../data-structures/service.ts';
import type { Structure } from '../data-structures/structure.ts';
import { nextHeads, type RecordHead, readRecords, withinBytes } from './record-store.ts';
import { lockStoresOf } from './store.ts';

/** How many records are judged between two turns of the event loop. */
const JUDGED_AT_ONCE = 500;
/** How many of the records that do not fit are shown. */
export const SHOWN_MISFITS = 20;

/** Judges the records that are stored by a structure that is to be theirs. */
export class RecordFit implements StoredRecords {
  async misfits(change: Change, structure: DataStructure): Promise<Misfits> {
    const shown: Misfit[] = [];
    let count = 0;
    for (const { datastoreId } of await lockStoresOf(change, structure.id)) {
      const found = await misfitsIn(change, datastoreId, structure, SHOWN_MISFITS - shown.length);
      count += found.count;
      shown.push(...found.shown);
    }
    return { count, shown };
  }
}

/** Judges all records of a store that the change has locked. */
export async function misfitsIn(
  change: Change,
  datastoreId: string,
  structure: Structure,
  most: number,
): Promise<Misfits> {
  const shown: Misfit[] = [];
  let count = 0;
  for (let after: string | undefined = ''; after !== undefined; await immediate()) {
    const heads: readonly RecordHead[] = withinBytes(await nextHeads(change, datastoreId, after, JUDGED_AT_ONCE));
    const keys: string[] = heads.map(({ key }) => key);
    for (const { key, data } of await readRecords(change, datastoreId, keys)) {
      const faults = new Faults();
      judgeRecord(structure, data, [], faults);
      if (faults.list.length === 0) continue;
      count += 1;
      if (shown.length < most) shown.push({ datastoreId, key, issues: faults.list });
    }
    after = keys.at(-1);
  }
  return { count, shown };
}
