import type { Connector } from './kit/contract/connector.ts';
import { loadConnector, types } from './list.ts';

/** The connectors of all types, in the order in which users see them. */
export const connectors: readonly Connector[] = await Promise.all(types.map(loadConnector));

const byType = new Map(connectors.map((connector) => [connector.type, connector]));

/** The connector of a type. Throws when there is none: types from outside have been checked before. */
export function connectorOf(type: string): Connector {
  const connector = byType.get(type);
  if (!connector) throw new Error(`There is no connector of the type ${type}.`);
  return connector;
}
