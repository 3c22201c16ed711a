import { createTokenIssuer } from '../peers/token-issuer.ts';
import { startTrino, TRINO, type TrinoServer } from '../peers/trino.ts';
import type { StandPeer } from '../stands/stand.ts';
import { TRINO_PASSWORD, trinoStand } from '../stands/trino.ts';
import type { RealPeer } from './real-peer.ts';

export const USERS = {
  admin: 'only for the set-up',
  reader: TRINO_PASSWORD,
  stranger: TRINO_PASSWORD,
  mute: TRINO_PASSWORD,
  jürgen: 'pä55 ÿ',
};
const [ISSUER, AUDIENCE] = ['https://tokens.example', 'trino'];
export const issuer = createTokenIssuer(ISSUER, AUDIENCE);
export const otherIssuer = createTokenIssuer(ISSUER, AUDIENCE);
const RULES = {
  catalogs: [
    { user: 'stranger', allow: 'none' },
    { user: 'admin', allow: 'all' },
    { catalog: 'closed', allow: 'none' },
    { allow: 'read-only' },
  ],
  queries: [{ user: 'mute', allow: [] }, { user: 'admin', allow: ['execute', 'kill', 'view'] }, { allow: ['execute'] }],
};
const SETUP = [
  'create schema "my""hive".sales',
  `create schema "my""hive"."o'hara"`,
  'create table "my""hive".sales.clients (id bigint not null, name varchar(20), "a b" array(row(x integer)))',
  'create view "my""hive".sales.recent as select id from "my""hive".sales.clients',
  `create table "my""hive"."o'hara".t (d date)`,
];

/** A Trino that lets one statement run, and another wait for it. */
export interface TrinoPeer extends StandPeer {
  readonly server: TrinoServer;
  /** Keeps it busy with so many statements, and gives what ends them. */
  busyWith(statements: number): Promise<() => Promise<void>>;
}

export const trinoPeer: RealPeer<object, TrinoPeer> = {
  name: 'Trino 483',
  programs: TRINO,
  stand: {
    ...trinoStand,
    start: async (certificate) => {
      if (!certificate) throw new Error('It signs in over TLS alone.');
      const server = await startTrino({
        certificate,
        users: USERS,
        rules: RULES,
        catalogs: { 'my"hive': 'memory', closed: 'memory', tpch: 'tpch' },
        tokens: { publicKey: issuer.publicKey, issuer: ISSUER, audience: AUDIENCE },
        settings: ['query.max-concurrent-queries=1', 'query.max-queued-queries=1'],
      });
      for (const statement of SETUP) await server.administer(statement);
      return {
        port: server.port,
        present: server.present,
        server,
        busyWith: (statements) => keepBusy(server, statements),
        close: server.stop,
      };
    },
    limited: {
      during: (peer: TrinoPeer) => peer.busyWith(2),
      code: 'TOO_MANY_REQUESTS',
      configPath: null,
    },
  },
  says: /^Trino 483$/,
};

async function keepBusy(server: TrinoServer, statements: number): Promise<() => Promise<void>> {
  const endings: (() => Promise<void>)[] = [];
  const end = async () => {
    for (const each of endings.splice(0)) await each();
  };
  try {
    for (let count = 0; count < statements; count += 1)
      endings.unshift(await server.begin('select count(*) from tpch.sf1000.lineitem'));
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}
