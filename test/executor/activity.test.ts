import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import type { SshTunnel } from '../../src/connectors/kit/config/ssh-tunnel.ts';
import type { Dialer } from '../../src/connectors/kit/contract/connector.ts';
import { PeerSocket } from '../../src/connectors/kit/contract/peer-socket.ts';
import { watchActivity } from '../../src/executor/activity.ts';

const tunnel: SshTunnel = { enabled: true, host: 'bastion', port: 22, username: 'ann', password: 'a password' };

it('says so whenever a bastion gets a word in, during the handshake too', async () => {
  const wire = new PassThrough();
  const carrier = new PeerSocket(wire, { address: '192.0.2.1', port: 22 });
  const nothing = () => Promise.reject(new Error('not asked for'));
  const dialer: Dialer = {
    resolve: nothing,
    resolveService: nothing,
    dial: nothing,
    secure: nothing,
    async openTunnel(_tunnel, onCarrier) {
      onCarrier?.(carrier);
      return { server: 'a bastion' };
    },
    hold: () => () => undefined,
    afterwards: () => dialer,
  };
  let words = 0;
  const told: PeerSocket[] = [];
  const watched = watchActivity(dialer, () => {
    words += 1;
  });
  expect(await watched.openTunnel(tunnel, (socket) => told.push(socket))).toEqual({ server: 'a bastion' });
  expect(told).toEqual([carrier]);
  const before = words;
  expect(before).toBeGreaterThan(0);
  carrier.resume();
  wire.write('SSH-2.0-x');
  await expect.poll(() => words).toBe(before + 1);
});
