import type { SearchNode } from '../peers/search-node.ts';
import type { StandPeer } from '../stands/stand.ts';

export const CLIENTS = {
  id: { type: 'long' },
  name: { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 256 } } },
  address: { properties: { city: { type: 'keyword' }, point: { properties: { lat: { type: 'half_float' } } } } },
  tags: { type: 'nested', properties: { tag: { type: 'keyword' } } },
};

/** A node of Elasticsearch or OpenSearch that has the indices of the fake. */
export interface SearchPeer extends StandPeer {
  readonly server: SearchNode;
  /** Sends a request as who may do everything. */
  send(method: string, path: string, body?: object): Promise<string>;
}

/** The node with the indices; `addUsers` makes what differs between the products. */
export async function filled(
  server: SearchNode,
  addUsers: (send: SearchPeer['send']) => Promise<void>,
): Promise<SearchPeer> {
  const send: SearchPeer['send'] = (method, path, body) =>
    server.administer(method, path, body === undefined ? '' : JSON.stringify(body));
  await addUsers(send);
  await send('PUT', '/clients-1', { mappings: { properties: { id: { type: 'keyword' } } } });
  await send('PUT', '/clients-2', { mappings: { properties: CLIENTS } });
  await send('PUT', '/empty');
  await send('PUT', '/.hidden', { settings: { 'index.hidden': true } });
  const add = (index: string, alias: string) => ({ add: { index, alias } });
  await send('POST', '/_aliases', {
    actions: [add('clients-2', 'clients'), add('clients-1', 'clients'), add('clients-1', '.internal')],
  });
  const { port, present, stop } = server;
  return { port, ...(present && { present }), server, send, close: stop };
}
