import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leavesOf, secretPathsOf, valueAt } from '../../src/connectors/kit/config/shape.ts';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { failureCodes } from '../../src/errors/check-failures.ts';
import { type Cause, parts, type StartedStand, startStand } from '../support/fault-matrix.ts';
import { type Cell, printFailures, printMatrix } from '../support/fault-table.ts';
import { stands } from '../support/stands/index.ts';

const causes: readonly Cause[] = Object.values(parts).flat();
/** Within the deadline and this much, in milliseconds. */
const GRACE = 2_000;

const started = new Map<string, StartedStand>();
const rows = new Map<string, Map<Cause, Cell>>(connectors.map(({ type }) => [type, new Map()]));

describe('the matrix', () => {
  beforeAll(async () => {
    await Promise.all(stands.map(async (stand) => void started.set(stand.connector.type, await startStand(stand))));
  });

  afterAll(() => Promise.all([...started.values()].map((stand) => stand.close())));

  const standOf = ({ type }: Connector): StartedStand => {
    const stand = started.get(type);
    if (!stand) throw new Error(`${type} has no stand: add one to test/support/stands/.`);
    return stand;
  };

  describe.each(connectors.map((connector) => [connector.type, connector] as const))('%s', (type, connector) => {
    const hasTunnel = 'sshTunnel' in connector.config.shape;
    const paths = leavesOf(connector.config).map(({ path }) => path);
    const isInConfig = (path: string) => paths.some((each) => each === path || each.startsWith(`${path}.`));

    test.concurrent('works as long as nothing is wrong', async () => {
      const ways = hasTunnel ? (['directly', 'through a tunnel'] as const) : (['directly'] as const);
      for (const way of ways) expect(await standOf(connector).works(way)).toMatchObject({ failure: null });
    });

    test.concurrent.each(causes)('%s', async (cause) => {
      const stand = standOf(connector);
      const expected = stand.expects(cause);
      if ('never' in expected) {
        rows.get(type)?.set(cause, expected);
        return expect(expected.never).not.toBe('');
      }
      const { failure, failedAt = '', took, deadline, evidence, log } = await stand.tries(cause);
      if (!failure) throw new Error(`${type} finds nothing wrong.`);
      const { serverError, httpStatus } = evidence[failedAt] ?? {};
      const isAtServer = (parts['At the server'] as readonly string[]).includes(cause);
      if (isAtServer)
        expect(serverError ?? httpStatus ?? 'none').toMatch(expected.seenInAnswer ? /^none$/ : /^(?!none)\w+$/);
      const says = isAtServer ? { serverError: serverError ?? httpStatus } : {};
      rows.get(type)?.set(cause, { ...failure, at: failedAt, ...says });
      expect(expected.codes).toContain(failure.code);
      if (expected.configPath !== undefined) expect(failure.configPath).toBe(expected.configPath);
      expect(failure.cause).toBe(failureCodes[failure.code].cause);
      expect(took).toBeLessThan(deadline + GRACE);
      if (failure.configPath !== null) expect(paths.filter(isUnder(failure.configPath))).not.toEqual([]);
      expect(failure.hint).toBeTruthy();
      // whoever is signed in has been reached
      if (cause.endsWith('once signed in')) expect(failure.hint).not.toMatch(/firewall|\bhost\b|\bport\b/);
      // a hint that names a field of another type helps nobody
      const named = [...(failure.hint ?? '').matchAll(/`(\w+(?:\.\w+)*)`|\b((?:tls|sshTunnel)\.\w+)/g)].map(
        ([, quoted, block]) => quoted ?? block ?? '',
      );
      expect(named.filter((path) => !isInConfig(path))).toEqual([]);
      const told = JSON.stringify([failure, evidence, log]);
      const { config } = stands.find((each) => each.connector === connector) ?? { config: {} };
      for (const secret of secretPathsOf(connector).map((path) => valueAt(config, path)))
        if (typeof secret === 'string') expect(told).not.toContain(JSON.stringify(secret).slice(1, -1));
    });
  });

  test('is the one in the documentation', async () => {
    await expect(printMatrix(rows)).toMatchFileSnapshot('../../docs/fault-matrix.md');
    await expect(printFailures(rows)).toMatchFileSnapshot('../../src/modules/connectors/failures.json');
  });
});

function isUnder(path: string): (other: string) => boolean {
  return (other) => other === path || other.startsWith(`${path}.`);
}
