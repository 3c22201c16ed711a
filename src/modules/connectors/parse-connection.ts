import type { ConfigValues } from '../../connectors/kit/config/shape.ts';
import type { IgnoredPart } from '../../connectors/kit/connection-text/config-draft.ts';
import {
  ConnectionReader,
  NOTHING_READ,
  readConnection,
} from '../../connectors/kit/connection-text/read-connection.ts';
import { readText } from '../../connectors/kit/connection-text/read-text.ts';
import type { Connector } from '../../connectors/kit/contract/connector.ts';
import { connectors } from '../../connectors/registry.ts';
import { ValidationError } from '../../errors/api.ts';
import { type FieldIssue, fieldIssue } from '../../errors/field-issues.ts';

/** What a text was read as. It holds the secrets of the text, and goes back to who sent that and nowhere else. */
export interface ParsedConnection {
  readonly connector: Connector;
  readonly config: ConfigValues;
  readonly ignored: readonly IgnoredPart[];
  readonly issues: readonly FieldIssue[];
}

const readers = connectors.map((connector) => new ConnectionReader(connector));

/**
 * Reads a text that somebody has for a connection. Nothing is stored, logged, resolved or connected to.
 * @throws ValidationError about `text`, or about `type` where that has to be given. It holds nothing of the text.
 */
export function parseConnection(text: string, type: string | undefined): ParsedConnection {
  const taken = readText(text);
  if (!taken) throw refusal('text', NOTHING_READ);
  const outcome = readConnection(readers, taken, type);
  if ('fault' in outcome) throw refusal(outcome.fault.argument, outcome.fault.message);
  const { connector, values, ignored, issues } = outcome.connection;
  const within = issues.map((found): FieldIssue => {
    const path = found.path.map(String);
    return { ...fieldIssue(found, path), path: ['text'], configPath: path.join('.') || null };
  });
  return { connector, config: values, ignored, issues: within };
}

function refusal(argument: 'text' | 'type', message: string): ValidationError {
  const code = argument === 'type' ? 'REQUIRED' : 'INVALID_FORMAT';
  return new ValidationError([{ path: [argument], configPath: null, code, message }]);
}
