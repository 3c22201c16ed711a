import { issue } from '../../connectors/kit/config/marks.ts';
import { anyText } from '../../connectors/kit/config/text.ts';

/** In characters. */
const MAX_NAME = 63;

/** What environmentName asks for, in words. */
export const ENVIRONMENT_NAME_RULE =
  '1 to 63 letters, digits, spaces, ".", "-" and "_", beginning with a letter or digit';

/** What the name of an environment may be. */
export const environmentName = anyText(MAX_NAME).refine(
  (name) => /^[A-Za-z0-9][A-Za-z0-9 ._-]*$/.test(name),
  issue('INVALID_FORMAT', 'Letters, digits, spaces, ".", "-" and "_"; a letter or digit first.'),
);

/** What networkName asks for, in words. */
export const NETWORK_NAME_RULE = '1 to 63 letters, digits, ".", "-" and "_", beginning with a letter or digit';

/** What a network may be called: a word, so that it can stand on a command line without quotes. */
export const networkName = anyText(MAX_NAME).refine(
  (name) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name),
  issue('INVALID_FORMAT', 'Letters, digits, ".", "-" and "_"; a letter or digit first.'),
);
