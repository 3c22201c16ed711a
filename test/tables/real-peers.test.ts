import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connectors } from '../../src/connectors/registry.ts';
import { realPeers } from '../support/real-peers/index.ts';
import { causesOf, provedBy, type RealPeer, versionIn } from '../support/real-peers/real-peer.ts';
import { printRealPeers } from '../support/real-peers/real-peer-table.ts';

const all: readonly RealPeer[] = Object.values(realPeers).flat();
const pins = join(import.meta.dirname, '../../.ci/peers');
const suites = join(import.meta.dirname, '../peers');

describe('the servers that we did not write', () => {
  test.each(all.map((peer) => [peer.name, peer.stand.connector.type, peer] as const))(
    '%s shows something of %s, and says why it shows no more',
    (_name, _type, peer) => {
      expect(provedBy(peer)).not.toEqual([]);
      for (const [cause, cannot] of causesOf(peer))
        if (cannot !== undefined) expect(cannot, cause).toMatch(/^[A-Z].+\.$/);
      for (const { why } of Object.values(peer.otherwise ?? {})) expect(why).toMatch(/^[A-Z].+\.$/);
      // what is proved otherwise is proved
      expect(
        Object.keys(peer.otherwise ?? {}).filter((cause) => !provedBy(peer).some((each) => each === cause)),
      ).toEqual([]);
    },
  );

  test('are asked for their causes, each by its suite', async () => {
    const files = (await readdir(suites)).filter((name) => name.endsWith('.test.ts'));
    const texts = await Promise.all(files.map((name) => readFile(join(suites, name), 'utf8')));
    const asked = texts.flatMap((text) =>
      [...text.matchAll(/\bdescribe(?:Causes|RealPeers?)\((\w+)/g)].map(([, name]) => name),
    );
    expect(asked.sort()).toEqual(Object.keys(realPeers).sort());
  });

  test.each(all.map((peer) => [peer.name, peer.stand.connector.type, peer] as const))(
    '%s is named with its version where %s tells what it was proved against',
    async (name, _type, { role, stand, says, version }) => {
      const [itself = ''] = name.split(',');
      if (role === undefined) expect(stand.connector.provenAgainst).toContain(itself);
      // where the server does not tell it while it runs, it is the version that is installed
      if (!says && !version) expect(await pinned()).toMatch(pinOf(versionIn(name)));
    },
  );

  test('and the clients of the vendors have the versions that the types name', async () => {
    const pins = await pinned();
    const own = all.map(({ name }) => versionIn(name));
    const named = connectors.flatMap(({ provenAgainst }) => provenAgainst.match(/\b\d+\.\d+\b/g) ?? []);
    const unknown = named.filter((each) => !own.includes(each) && !pinOf(each).test(pins));
    expect(unknown).toEqual([]);
  });

  test('are those of the documentation', async () => {
    await expect(printRealPeers(all)).toMatchFileSnapshot('../../docs/real-peers.md');
  });
});

/** All that `.ci/peers/` and npm install, with versions. */
async function pinned(): Promise<string> {
  const files = (await readdir(pins, { recursive: true })).filter((name) => /\.(txt|jars|mod|toml)$/.test(name));
  const packages = ['../../package.json', '../../test/peers/vendor-clients/snowflake-node/package.json'];
  const paths = [...files, ...packages].map((name) => join(pins, name));
  return (await Promise.all(paths.map((path) => readFile(path, 'utf8')))).join('\n');
}

/** A version that is written out, after `==`, a colon, or as Go writes it. */
function pinOf(version: string): RegExp {
  return new RegExp(`(==|[: ]v?|")${version.replaceAll('.', '\\.')}(\\.|\\b)`);
}
