import { elasticsearchPeer } from './elasticsearch.ts';
import { nginxFiles } from './nginx-files.ts';
import { opensearchPeer } from './opensearch.ts';
import type { RealPeer } from './real-peer.ts';
import { trinoPeer } from './trino.ts';

/** Each by the name by which its file exports it, and its suite in test/peers has it describe its causes. */
export const realPeers: Readonly<Record<string, RealPeer>> = {
  elasticsearchPeer,
  nginxFiles,
  opensearchPeer,
  trinoPeer,
};
