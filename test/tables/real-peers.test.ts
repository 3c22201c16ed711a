import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { realPeers } from '../support/real-peers/index.ts';
import { causesOf, provedBy, type RealPeer } from '../support/real-peers/real-peer.ts';
import { printRealPeers } from '../support/real-peers/real-peer-table.ts';

const all: readonly RealPeer[] = Object.values(realPeers).flat();
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

  test('are those of the documentation', async () => {
    await expect(printRealPeers(all)).toMatchFileSnapshot('../../docs/real-peers.md');
  });
});
