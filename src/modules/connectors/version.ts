import { createHash } from 'node:crypto';
import { formLayoutOf } from '../../connectors/kit/config/form-layout.ts';
import { configJsonSchema } from '../../connectors/kit/config/json-schema.ts';
import { connectors } from '../../connectors/registry.ts';
import { documentationOf } from './documentation.ts';

let version: string | undefined;

/** A text that is another one when anything of the connectors is: made once, when somebody first asks. */
export function connectorsVersion(): string {
  version ??= digest();
  return version;
}

function digest(): string {
  const hash = createHash('sha256');
  for (const connector of connectors) {
    const { type, title, description, category, defaultPort, principalSecret, tenancyLevels, texts } = connector;
    const checks = connector.checks.map(({ name, title, description, writes }) => [name, title, description, writes]);
    const plain = [type, title, description, category, defaultPort, principalSecret, tenancyLevels, texts?.examples];
    const made = [configJsonSchema(connector), formLayoutOf(connector), documentationOf(connector)];
    hash.update(JSON.stringify([plain, checks, made]));
  }
  return hash.digest('base64url');
}
