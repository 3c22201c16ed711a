import { describe, expect, test } from 'vitest';
import type { HttpPeer, HttpPeerOptions } from './peers/http-peer.ts';
import { startTarpit } from './peers/tarpit.ts';
import { describeReach } from './reach-table.ts';
import { inClearText, type Stand } from './stands/stand.ts';
import { describeStrangers } from './stranger-table.ts';
import { gist } from './test-connection.ts';
import { describeTls } from './tls-table.ts';
import { useStand } from './use-stand.ts';

export interface HttpFaultsOptions {
  /** The check that sends the first request. Left out: session/authenticate. */
  readonly answersAt?: string;
  /** An answer that is too long is read as far as it goes. */
  readonly takesLongAnswers?: boolean;
  /** Any server is the right one, as for a file: answers have no form of their own. */
  readonly takesAnyServer?: boolean;
}

/** What can go wrong between the gateway and an HTTP API, before the API itself has anything to say. */
export function describeHttpFaults(
  stand: Stand<HttpPeerOptions, HttpPeer>,
  { answersAt = 'session/authenticate', takesLongAnswers = false, takesAnyServer = false }: HttpFaultsOptions = {},
): void {
  const isSecure = stand.clearText === undefined;

  describe('on the way', () => {
    const used = useStand(isSecure ? stand : inClearText(stand));
    const { keep, start, tryAt } = used;

    describeReach(used);

    test.each([
      ['an SMTP server', { says: '220 mail.example ESMTP\r\n' }, 'PROTOCOL_MISMATCH'],
      ['another protocol', { answers: Buffer.from([0x4a, 0, 0, 0, 0x0a]) }, 'PROTOCOL_MISMATCH'],
      ['a peer that hangs up', { answers: '', hangsUp: true }, 'CONNECTION_LOST'],
    ])('%s', async (_title, options, code) => {
      const stranger = await keep(startTarpit(options));
      const result = await tryAt(stranger);
      const failed = isSecure ? { at: 'tls/handshake', code: 'TLS_FAILED' } : { at: answersAt, code };
      expect(gist(result)).toMatchObject(failed);
    });

    test.each([
      ['html', 'PROTOCOL_MISMATCH'],
      ['garbage', 'PROTOCOL_MISMATCH'],
      ['reset', 'CONNECTION_LOST'],
      ['endless-headers', 'TOO_MUCH_DATA'],
      ['huge-body', 'TOO_MUCH_DATA'],
      [{ status: 302 }, 'PROTOCOL_MISMATCH'],
      [{ status: 429 }, 'TOO_MANY_REQUESTS'],
      [{ status: 503 }, 'SERVER_UNAVAILABLE'],
    ] as const)('a server that misbehaves: %j', async (misbehave, code) => {
      if (misbehave === 'huge-body' && takesLongAnswers) return;
      const peer = await start({ misbehave });
      const result = await tryAt(peer);
      expect(result).toMatchObject({ failedAt: answersAt, failure: { code } });
      expect(result.failure?.hint).toBeTruthy();
    });

    test('silence, and a byte a second, end at the deadline', async () => {
      const strangers = await Promise.all([
        keep(startTarpit()),
        start({ misbehave: 'silent' }),
        start({ misbehave: 'slow' }),
      ]);
      const results = await Promise.all(strangers.map((stranger) => tryAt(stranger, {}, { deadline: 2000 })));
      expect(results.map((each) => each.failure?.code)).toEqual(['TIMEOUT', 'TIMEOUT', 'TIMEOUT']);
      const [first, ...others] = results.map((each) => each.failedAt);
      expect(first).toBe(isSecure ? 'tls/handshake' : answersAt);
      expect(others).toEqual([answersAt, answersAt]);
    });
  });

  if (!takesAnyServer) describeStrangers(stand, answersAt);

  describeTls(stand, { heard: ({ requests }) => requests });
}
