import { type Cause, parts } from '../fault-matrix.ts';
import { causesOf, type RealPeer, roles } from './real-peer.ts';

const INTRODUCTION = `# What was proved against servers of others

Written by \`test/tables/real-peers.test.ts\`, which compares it at each run; with \`-u\` it writes it anew. [What a failed test says](fault-matrix.md)
was brought about with peers of our own, which agree with their author. Here is which of it a server shows that we did not write: \`npm run test:peers\` makes each
cause with it, by the same change of the same config, and the check that fails, the code, the field and the hint have to be those of that page.

"yes": it does. "otherwise": it fails otherwise, as the note says. A dash: it cannot make the cause, for the reason of the note. A closed port, an unknown name, a blocked address and a
silent peer come before the server has a word: they show that the config which works with it fails there as it should. "Once signed in" a proxy of ours says nothing more, or ends every connection.
The other causes of the matrix are made by somebody else than the server, and stand in the tables of proxies, TLS servers and bastions. Each server whose type has an SSH tunnel was reached through
one as well, and what a config alone brings about at it was told by a gateway that runs as by the checks themselves, unless the type has fixed hosts.
`;

/** The tables in Markdown, one for each role. */
export function printRealPeers(peers: readonly RealPeer[]): string {
  const notes: string[] = [];
  const noted = (text: string) => {
    if (!notes.includes(text)) notes.push(text);
    return `(${notes.indexOf(text) + 1})`;
  };
  const cell = (peer: RealPeer, cause: Cause) => {
    const causes = causesOf(peer);
    if (!causes.has(cause)) return '';
    const cannot = causes.get(cause);
    if (cannot !== undefined) return `– ${noted(cannot)}`;
    const otherwise = peer.otherwise?.[cause];
    return otherwise ? `otherwise ${noted(otherwise.why)}` : 'yes';
  };
  const order = Object.values(parts).flat() as readonly Cause[];
  const tables = Object.keys(roles).flatMap((role) => {
    const some = peers.filter((peer) => (peer.role ?? 'a server') === role);
    if (some.length === 0) return [];
    const causes = order.filter((cause) => some.some((peer) => causesOf(peer).has(cause)));
    const lines = some.map((peer) => ({
      type: peer.stand.connector.type,
      cells: causes.map((cause) => cell(peer, cause)).join(' | '),
      name: peer.name,
    }));
    // what a peer shows alike for several types stands in one line
    const alike = Map.groupBy(lines, ({ name, cells }) => `${name} ${cells}`);
    const rows = [...alike.values()].map((each) => {
      const types = each.map(({ type }) => type).join(', ');
      return [each[0]?.name, types, each[0]?.cells].join(' | ');
    });
    return [
      `## As ${role}`,
      '',
      `| peer | type | ${causes.join(' | ')} |`,
      `| --- | --- |${' --- |'.repeat(causes.length)}`,
      ...rows.map((row) => `| ${row} |`),
      '',
    ];
  });
  return [INTRODUCTION, ...tables, '## Notes', '', ...notes.map((note, at) => `${at + 1}. ${note}`), ''].join('\n');
}
