import type { PeerPrograms } from '../peers/installed.ts';
import { cockroachdbStand } from '../stands/cockroachdb.ts';
import { postgresStand } from '../stands/postgres.ts';
import type { PostgresPeer, PostgresStandOptions } from '../stands/postgres-family.ts';
import { redshiftStand } from '../stands/redshift.ts';
import type { Stand } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

/** It comes with the packages of npm. */
const NONE: PeerPrograms = { programs: [] };
const OWN_WORDS = 'Redshift has words of its own for this, which a fake has to say.';

type PostgresStand = Stand<PostgresStandOptions, PostgresPeer>;

export const postgresPeer: RealPeer<PostgresStandOptions, PostgresPeer> = {
  name: 'PostgreSQL 18',
  programs: NONE,
  stand: withItsOwnTls(postgresStand),
  says: /^PostgreSQL 18\./,
};

export const postgresAsRedshift: RealPeer<PostgresStandOptions, PostgresPeer> = {
  name: 'PostgreSQL 18, with stand-ins for views of Redshift',
  programs: NONE,
  stand: withItsOwnTls(redshiftStand),
  cannot: { 'wrong password or key': OWN_WORDS, 'unknown user': OWN_WORDS },
};

export const postgresAsCockroachdb: RealPeer<PostgresStandOptions, PostgresPeer> = {
  name: 'PostgreSQL 18, with stand-ins for what CockroachDB adds',
  programs: NONE,
  stand: withItsOwnTls(cockroachdbStand),
};

/** The stand of the matrix has the server itself, but for its TLS. */
function withItsOwnTls({ startHandshake: _fake, ...stand }: PostgresStand): PostgresStand {
  return stand;
}
