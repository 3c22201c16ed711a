import { describeRealPeer } from '../support/peer-causes.ts';
import { postgresAsCockroachdb, postgresAsRedshift, postgresPeer } from '../support/real-peers/postgres.ts';

describeRealPeer(postgresPeer);
describeRealPeer(postgresAsRedshift);
describeRealPeer(postgresAsCockroachdb);
