import { describe, expect, test } from 'vitest';
import { type PeerAnswer, startHttpPeer } from './peers/http-peer.ts';
import { inClearText, type Stand, type StandPeer } from './stands/stand.ts';
import { gist } from './test-connection.ts';
import { useStand } from './use-stand.ts';

const STATUSES = [200, 301, 400, 401, 403, 404, 500, 502];
const WORDS = 'Access denied: no such page, or an invalid token or key';
/** The forms in which a proxy, a firewall or another server answers: none of them is an API's of ours. */
const forms: Readonly<Record<string, (status: number) => readonly [type: string, body: string]>> = {
  HTML: () => ['text/html; charset=utf-8', `<html><head><title>${WORDS}</title></head><body>${WORDS}</body></html>`],
  text: () => ['text/plain', WORDS],
  JSON: (status) => [
    'application/json',
    JSON.stringify({ error: 'Forbidden', message: WORDS, code: `${status}`, status }),
  ],
};
const besides: Readonly<Record<number, Record<string, string>>> = {
  301: { location: 'https://elsewhere.example/sign-in?next=%2F' },
  401: { 'www-authenticate': 'Basic realm="Restricted"' },
};
const strangers = STATUSES.flatMap((status) =>
  Object.entries(forms).map(([form, write]) => {
    const [type, body] = write(status);
    return { status, form, answer: { status, headers: { 'content-type': type, ...besides[status] }, body } };
  }),
);

/** An HTTP API is known by its own form: an answer in another one is a stranger's, and says nothing of credentials. */
export function describeStrangers<Options extends object, Peer extends StandPeer>(
  stand: Stand<Options, Peer>,
  at = 'session/authenticate',
): void {
  const ways = { 'over TLS': stand, ...(stand.clearText ? { 'in clear text': inClearText(stand) } : {}) };

  describe.each(Object.entries(ways))('a stranger %s', (_way, way) => {
    const { configFor, issue, keep, tryAt } = useStand(way);

    test('is known as one, and nothing but the address is named', async () => {
      const certificate = way === stand ? await issue() : undefined;
      const [target] = way.connector.targets(way.connector.config.parse(configFor()));
      const paths = [target?.strangerPath, target?.portPath, target?.hostPath].filter((path) => path !== undefined);
      const meet = async (answer: PeerAnswer) => {
        const result = await tryAt(await keep(startHttpPeer(() => answer, { certificate })));
        return { ...gist(result), redirectHost: result.evidence[at]?.redirectHost };
      };
      const met = strangers.map(async ({ status, form, answer }) => ({ status, form, ...(await meet(answer)) }));
      expect(await Promise.all(met)).toEqual(
        strangers.map(({ status, form }) => ({
          status,
          form,
          at,
          code: status >= 500 ? 'SERVER_UNAVAILABLE' : 'PROTOCOL_MISMATCH',
          configPath: paths.length === 0 ? null : expect.toBeOneOf(paths),
          redirectHost: status === 301 ? 'elsewhere.example' : undefined,
        })),
      );
    });
  });
}
