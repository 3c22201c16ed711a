import { expect, it } from 'vitest';
import { PolicedDialer } from '../../src/connectors/kit/network/dialer.ts';
import { judgeNames } from '../../src/executor/judge-names.ts';
import type { JudgedTarget } from '../../src/executor/messages.ts';

const SERVICE = '_mongodb._tcp.cluster.example';
const addresses: Readonly<Record<string, string>> = {
  'open.cluster.example': '8.8.8.8',
  'other.cluster.example': '9.9.9.9',
  'metadata.cluster.example': '169.254.169.254',
  'private.cluster.example': '10.0.0.5',
};

/** Judges a target as a child does, whose name servers list these servers. */
async function verdictOn(servers: readonly string[], more: Partial<JudgedTarget> = {}, error?: Error) {
  const controller = new AbortController();
  const dialer = new PolicedDialer({
    policy: { allow: [], forbidden: [{ host: '9.9.9.9', port: 6379 }] },
    signal: controller.signal,
    async lookup(host) {
      if (host === 'slow.cluster.example') controller.abort('deadline');
      return addresses[host] === undefined ? [] : [addresses[host]];
    },
    async lookupService(name) {
      expect(name).toBe(SERVICE);
      return servers.map((server) => {
        const [host = '', port = '27017'] = server.split(':');
        return { name: host, port: Number(port), priority: 0, weight: 0 };
      });
    },
  });
  if (error) dialer.resolveService = () => Promise.reject(error);
  const errors: unknown[] = [];
  const onError = (told: unknown) => errors.push(told);
  const target = { host: 'cluster.example', port: 27_017, path: 'host', service: SERVICE, ...more };
  const verdicts = await judgeNames([target], { dialer, signal: controller.signal, onError });
  dialer.close();
  expect(errors).toEqual(error ? [error] : []);
  return verdicts;
}

it.each([
  ['allowed', ['open.cluster.example', 'other.cluster.example']],
  ['not-allowed', ['open.cluster.example', 'metadata.cluster.example']],
  ['not-allowed', ['private.cluster.example']],
  ['not-allowed', ['unknown.cluster.example', 'private.cluster.example']],
  ['not-allowed', ['other.cluster.example:6379']],
  ['not-allowed', ['127.0.0.1']],
  ['not-allowed', ['metadata.google.internal']],
  ['unresolved', ['unknown.cluster.example', 'open.cluster.example']],
  ['unresolved', []],
  ['unjudged', ['slow.cluster.example', 'open.cluster.example']],
] as const)('a service is %s when its records list %j', async (verdict, servers) => {
  expect(await verdictOn(servers)).toEqual([{ path: 'host', verdict }]);
});

it.each([
  ['allowed', ['private.cluster.example', 'unknown.cluster.example', '10.0.0.5']],
  ['not-allowed', ['private.cluster.example', '169.254.169.254']],
] as const)('a service behind a bastion is %s when its records list %j', async (verdict, servers) => {
  expect(await verdictOn(servers, { tunnelled: true })).toEqual([{ path: 'host', verdict }]);
});

it('is unjudged when the look-up fails as nobody expected', async () => {
  expect(await verdictOn([], {}, new TypeError('a bug'))).toEqual([{ path: 'host', verdict: 'unjudged' }]);
});
