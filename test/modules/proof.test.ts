import { expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/connectors/kit/config/shape.ts';
import { connectorOf } from '../../src/connectors/registry.ts';
import { ValidationError } from '../../src/errors/api.ts';
import type { TargetVerdict } from '../../src/executor/executor.ts';
import type { Access } from '../../src/modules/access/access.ts';
import type { DraftSubject } from '../../src/modules/datastores/draft.ts';
import { SaveProof } from '../../src/modules/datastores/proof.ts';

const access: Access = { tokenId: 't', tokenName: 't', scopes: new Set(), environmentIds: 'all', expiresAt: null };

function subject(): DraftSubject {
  const connector = connectorOf('POSTGRES');
  const parsed = parseConfig(connector, { ...connector.example, host: 'db.example.com' });
  if (!parsed.success) throw parsed.error;
  const place = { tenancy: null, environmentId: 'e', datastoreId: null, isStored: false };
  return { connector, config: parsed.data, ...place, configPath: ['input', 'config', 'postgres'] };
}

/** Saves with an executor that has this verdict on the host. @returns the codes of what is wrong with it */
async function save(verdict: TargetVerdict['verdict']): Promise<string[]> {
  const judgeTargets = vi.fn(async () => [{ path: 'host', verdict }]);
  const run = () => Promise.reject(new Error('No test was asked for.'));
  try {
    expect(await new SaveProof({ run }, { judgeTargets }).prove(access, subject(), null)).toBeNull();
    return [];
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    return error.issues.map(({ path, code, message }) => `${path.join('.')} ${code}: ${message}`);
  } finally {
    expect(judgeTargets.mock.calls).toEqual([
      [[{ host: 'db.example.com', port: 5432, path: 'host' }], expect.any(Number)],
    ]);
  }
}

it('stores what leads to allowed addresses, and names that have none yet', async () => {
  expect(await save('allowed')).toEqual([]);
  expect(await save('unresolved')).toEqual([]);
});

it('refuses an address that is not allowed', async () => {
  expect(await save('not-allowed')).toEqual([
    expect.stringMatching(/^input\.config\.postgres\.host ADDRESS_NOT_ALLOWED:/),
  ]);
});

it('refuses what could not be judged in time, and says to try again', async () => {
  expect(await save('unjudged')).toEqual([
    expect.stringMatching(/^input\.config\.postgres\.host ADDRESS_NOT_CHECKED: .*try again\.$/),
  ]);
});
