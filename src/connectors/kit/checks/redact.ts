const REDACTED = '[redacted]';
/** The shortest secret and the shortest line of one that are looked for, in characters. */
const SHORTEST_SECRET = 4;
const SHORTEST_LINE = 16;

/** Knows the secrets of one test, in every encoding in which a driver or a server gives them back. */
export interface Redactor {
  /** Gives the text as it is, or `[redacted]` when it holds a secret. */
  value(text: string): string;
  /** Gives the text with every line replaced that holds a secret. */
  lines(text: string): string;
}

/**
 * Makes the redactor for these secrets. It does not look for those shorter than 4 characters: they are part of too
 * much.
 */
export function createRedactor(secrets: readonly string[]): Redactor {
  // most tests print nothing to the gateway
  let forms: Forms | undefined;
  const holds = (text: string): boolean => {
    forms ??= formsOf(secrets);
    const { exact, anyCase } = forms;
    const lower = text.toLowerCase();
    if (exact.some((form) => text.includes(form)) || anyCase.some((form) => lower.includes(form))) return true;
    const decoded = percentDecoded(text);
    return decoded !== text && exact.some((form) => decoded.includes(form));
  };
  const value = (text: string) => (holds(text) ? REDACTED : text);
  return { value, lines: (text) => value(text.split('\n').map(value).join('\n')) };
}

/** The encodings that are looked for as they stand, and in capitals or small letters. */
interface Forms {
  readonly exact: readonly string[];
  readonly anyCase: readonly string[];
}

function formsOf(secrets: readonly string[]): Forms {
  const long = secrets.filter((secret) => secret.length >= SHORTEST_SECRET);
  const exact = long.flatMap((secret) => [secret, ...linesOf(secret), jsonForm(secret), ...base64Forms(secret)]);
  const anyCase = long.flatMap((secret) => [hexForm(secret), ...urlForms(secret)].map((form) => form.toLowerCase()));
  return { exact: [...new Set(exact)], anyCase: [...new Set(anyCase)] };
}

/** The lines of a secret that are secrets by themselves: those of a PEM key. */
function linesOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line.length >= SHORTEST_LINE && !line.startsWith('-----'));
}

function jsonForm(secret: string): string {
  return JSON.stringify(secret).slice(1, -1);
}

function hexForm(secret: string): string {
  return Buffer.from(secret).toString('hex');
}

function urlForms(secret: string): string[] {
  // a lone surrogate cannot be encoded, and form encoding replaces it
  return [
    secret.isWellFormed() ? encodeURIComponent(secret) : secret,
    new URLSearchParams({ '': secret }).toString().slice(1),
  ];
}

/** The secret in base64 and base64url, wherever it begins in what was encoded (`user:password`, say). */
function base64Forms(secret: string): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]);
    // the digits at either end depend on neighbouring bytes too, so they are left out
    const from = Math.ceil((offset * 8) / 6);
    const to = Math.floor((bytes.length * 8) / 6);
    return [bytes.toString('base64').slice(from, to), bytes.toString('base64url').slice(from, to)];
  });
}

function percentDecoded(text: string): string {
  return text
    .replace(/\+/g, ' ')
    .replace(/(%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString());
}
