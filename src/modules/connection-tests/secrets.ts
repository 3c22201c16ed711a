import type { Change } from '../../platform/database/database.ts';
import type { Sealer, WrappedKey } from '../../platform/keys/sealer.ts';
import type { TestRow } from './store.ts';
import { draftPath, secretOwner } from './test.ts';

/** Opens the secrets of a test, by config path. @throws UnsealError */
export async function openSecrets(
  sealer: Sealer,
  row: TestRow,
  key: WrappedKey | undefined,
  query?: Change['query'],
): Promise<Map<string, string>> {
  if (!row.draft_secrets) return new Map();
  const owner = secretOwner(row, row.draft_config ?? '{}');
  const opened = key
    ? (await sealer.openKey(owner, key, query)).open(draftPath, row.draft_secrets)
    : await sealer.openOldForm(owner, draftPath, row.draft_secrets, query);
  return new Map(JSON.parse(opened) as [string, string][]);
}
