import { describe, expect, test } from 'vitest';
import type { FailureCode } from '../../src/errors/check-failures.ts';
import { createAuthority, createSelfSigned, type IssuedCertificate } from './certificates.ts';
import type { Stand, StandPeer } from './stands/stand.ts';
import { type UsedStand, useStand } from './use-stand.ts';

const OTHER_NAME = 'other.example';
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** The certificates that a server may present. */
const certificates = {
  'for its name': ({ issue }: UsedStand) => issue(),
  'for another name': ({ issue }: UsedStand) => issue({ names: [OTHER_NAME] }),
  'of a CA that nobody knows': async ({ hosts }: UsedStand) => (await createAuthority('Other')).issue({ names: hosts }),
  'self-signed': ({ hosts }: UsedStand) => createSelfSigned({ names: hosts }),
  expired: ({ issue }: UsedStand) => issue({ notAfter: new Date(Date.now() - MINUTE_MS) }),
  'about to expire': ({ issue }: UsedStand) => issue({ notAfter: new Date(Date.now() + 3 * DAY_MS) }),
};
type Kind = keyof typeof certificates;

/** What `tls` says besides the CA to trust, the certificate, and what that comes to. */
type Row = readonly [tls: Readonly<Record<string, string>>, kind: Kind, code: FailureCode | 'PASSED' | 'WARNING'];

const always: readonly Row[] = [
  [{}, 'for its name', 'PASSED'],
  [{}, 'for another name', 'TLS_NAME_MISMATCH'],
  [{}, 'of a CA that nobody knows', 'TLS_UNTRUSTED'],
  [{}, 'self-signed', 'TLS_SELF_SIGNED'],
  [{}, 'expired', 'TLS_EXPIRED'],
  [{}, 'about to expire', 'WARNING'],
];
/** For types whose config has a block for TLS. */
const configurable: readonly Row[] = [
  [{ serverName: OTHER_NAME }, 'for another name', 'PASSED'],
  [{ mode: 'VERIFY_CA' }, 'for another name', 'PASSED'],
  [{ mode: 'VERIFY_CA' }, 'of a CA that nobody knows', 'TLS_UNTRUSTED'],
  [{ mode: 'REQUIRE' }, 'of a CA that nobody knows', 'PASSED'],
];

export interface TlsTableOptions<Peer> {
  /**
   * What the peer was told over TLS, or as it stood on the wire if it was a secret: nothing, where its certificate is
   * refused.
   */
  readonly heard?: (peer: Peer) => unknown;
  /** Left out: TLSv1.3. */
  readonly protocol?: string;
}

/** How a type judges its server's certificate. */
export function describeTls<Options extends object, Peer extends StandPeer>(
  stand: Stand<Options, Peer>,
  { heard, protocol = 'TLSv1.3' }: TlsTableOptions<Peer> = {},
): void {
  const hasBlock = 'tls' in stand.connector.config.shape;

  describe('TLS', () => {
    const used = useStand(stand);
    const { authority, keep, tryAt } = used;
    const working = new Map<Kind, Promise<Peer>>();

    const startWorking = (kind: Kind, certificate: IssuedCertificate): Promise<Peer> => {
      const running = working.get(kind) ?? keep(stand.start(certificate));
      working.set(kind, running);
      return running;
    };

    test.each(hasBlock ? [...always, ...configurable] : always)(
      '%j and a certificate %s: %s',
      async (tls, kind, comes) => {
        const certificate = await certificates[kind](used as UsedStand);
        // the CA is trusted by config where there is a place for it
        const config = hasBlock ? { tls: { ...tls, caCertificate: authority.certificate } } : {};
        const how = hasBlock ? { publicCa: undefined } : {};
        if (comes === 'PASSED' || comes === 'WARNING') {
          const result = await tryAt(await startWorking(kind, certificate), config, how);
          expect(result.failure).toBeNull();
          expect(result.steps).toContain(`tls/handshake: ${comes}`);
          const days = comes === 'WARNING' ? '2' : '89';
          expect(result.evidence['tls/handshake']).toMatchObject({
            protocol,
            names: expect.any(String),
            daysUntilExpiry: days,
          });
          return;
        }
        const { startHandshake } = stand;
        const peer = await keep<StandPeer>(startHandshake ? startHandshake(certificate) : stand.start(certificate));
        const result = await tryAt(peer, config, how);
        expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code: comes } });
        expect(result.failure?.hint).toBeTruthy();
        expect(result.evidence['tls/handshake']).toMatchObject({
          subject: expect.any(String),
          names: expect.any(String),
        });
        if (heard) expect(heard(peer as Peer) ?? []).toEqual([]);
      },
    );
  });
}
