import { expect, test } from 'vitest';
import { closedPort, startTarpit } from './peers/tarpit.ts';
import { gist } from './test-connection.ts';
import type { UsedStand } from './use-stand.ts';

/** What keeps a type from reaching its server at all. */
export function describeReach({ stand, configFor, keep, tryAt }: UsedStand): void {
  const [target] = stand.connector.targets(stand.connector.config.parse(configFor()));
  const { hostPath = null, portPath = hostPath } = target ?? {};

  test('a closed port is refused', async () => {
    const result = await tryAt({ port: await closedPort() });
    expect(gist(result)).toEqual({ at: 'endpoint/connect', code: 'CONNECTION_REFUSED', configPath: portPath });
  });

  test('an unknown name does not resolve', async () => {
    const lookup = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    const result = await tryAt({ port: 1 }, {}, { names: {}, lookup });
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code: 'NAME_NOT_FOUND', configPath: hostPath });
  });

  test('an address that the operator does not allow is not connected to', async () => {
    const stranger = await keep(startTarpit());
    // its own port, so that whoever connects all the same is counted
    const changes = portPath === hostPath ? {} : { port: stranger.port };
    const how = { names: {}, allow: [], lookup: async () => ['127.0.0.1'] };
    const result = await tryAt(stranger, changes, how);
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code: 'ADDRESS_NOT_ALLOWED', configPath: hostPath });
    expect(stranger.connections()).toBe(0);
  });
}
