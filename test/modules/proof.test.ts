import { expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/connectors/kit/config/shape.ts';
import { configKey } from '../../src/connectors/kit/contract/connector.ts';
import { connectorOf } from '../../src/connectors/registry.ts';
import { ValidationError } from '../../src/errors/api.ts';
import type { JudgedTarget, TargetVerdict } from '../../src/executor/executor.ts';
import type { Access } from '../../src/modules/access/access.ts';
import type { DraftSubject } from '../../src/modules/datastores/draft.ts';
import { SaveProof } from '../../src/modules/datastores/proof.ts';

const access: Access = {
  tokenId: 't',
  actor: { name: 't', onBehalfOf: null },
  isSession: false,
  scopes: new Set(),
  environmentIds: 'all',
  expiresAt: null,
};

function subject(type: string, values: Record<string, unknown>): DraftSubject {
  const connector = connectorOf(type);
  const parsed = parseConfig(connector, { ...connector.example, ...values });
  if (!parsed.success) throw parsed.error;
  const place = { tenancy: null, environmentId: 'e', datastoreId: null, storedVersion: null, firstVersion: null };
  const paths = { configPath: ['input', 'config', configKey(connector)], tenancyPath: ['input', 'tenancy'] };
  return { connector, config: parsed.data, ...place, ...paths };
}

const postgres = subject('POSTGRES', { host: 'db.example.com' });

/** Saves with an executor that has this verdict on the host. @returns the codes of what is wrong with it */
async function save(verdict: TargetVerdict['verdict']): Promise<string[]> {
  const judgeTargets = vi.fn(async () => [{ path: 'host', verdict }]);
  const run = () => Promise.reject(new Error('No test was asked for.'));
  try {
    expect(await new SaveProof({ run }, { judgeTargets }).prove(access, postgres, null)).toBeNull();
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

it('asks for the servers that SRV records list, behind a bastion too', async () => {
  const asked: (readonly JudgedTarget[])[] = [];
  const judgeTargets = async (targets: readonly JudgedTarget[]) => {
    asked.push(targets);
    return [];
  };
  const proof = new SaveProof({ run: () => Promise.reject(new Error('No test was asked for.')) }, { judgeTargets });
  const cluster = { host: 'cluster.example.com', srv: true };
  const bastion = { host: 'bastion.example.com', username: 'ann', password: 'x' };
  const sshTunnel = { ...bastion, hostKeyFingerprint: `SHA256:${'A'.repeat(43)}` };
  await proof.prove(access, subject('MONGODB', cluster), null);
  await proof.prove(access, subject('MONGODB', { ...cluster, sshTunnel }), null);
  const service = { host: cluster.host, port: 27_017, path: 'host', service: '_mongodb._tcp.cluster.example.com' };
  expect(asked).toEqual([
    [service],
    [
      { host: bastion.host, port: 22, path: 'sshTunnel.host' },
      { ...service, tunnelled: true },
    ],
  ]);
});

it('refuses a host that several fields make longer than a name can be', async () => {
  const judgeTargets = () => Promise.reject(new Error('Such a host is not looked up.'));
  const proof = new SaveProof({ run: () => Promise.reject(new Error('No test was asked for.')) }, { judgeTargets });
  const baseUrl = `https://${'a.'.repeat(120)}example`;
  const saved = proof.prove(access, subject('S3', { bucket: 'bucket', baseUrl, forcePathStyle: false }), null);
  await expect(saved).rejects.toMatchObject({ issues: [{ code: 'TOO_LONG', configPath: 'baseUrl' }] });
});
