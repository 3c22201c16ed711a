/* Reads PEM as it comes out of consoles, JSON files, environment variables and forms, and writes it in one normal
   form. */

/** A BEGIN line, what follows it, and whether the END line that belongs to it was found. */
export interface PemSection {
  /** The label in the BEGIN line: `EC PRIVATE KEY`. */
  readonly label: string;
  readonly body: string;
  readonly isWhole: boolean;
}

/** One PEM block that was read. */
export interface PemBlock {
  readonly label: string;
  /** The bytes that its base64 stands for. */
  readonly bytes: Buffer;
  /**
   * The DEK-Info header of a key in the traditional form whose bytes are encrypted: `AES-256-CBC,` and the
   * initialisation vector in hex.
   */
  readonly dekInfo?: string | undefined;
}

/**
 * The error for PEM that cannot be read. Its message tells people what is wrong and what to do, and holds nothing of
 * the text.
 */
export class UnreadablePem extends Error {
  override readonly name = 'UnreadablePem';
}

/**
 * A BEGIN or END line. Neither the label nor the number of dashes is unbounded, so that a hostile text is looked at
 * only once.
 */
const BOUNDARY = /-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]{0,62})-----/g;
const LINE_LENGTH = 64;
const TRADITIONAL_ENCRYPTION =
  /^\s*Proc-Type:\s*4,\s*ENCRYPTED\s*DEK-Info:\s*((?:AES|CAMELLIA)-(?:128|192|256)-CBC,[0-9A-F]{32}|DES-EDE3-CBC,[0-9A-F]{16})/i;
const HEADER_LINES = /^\s*(?:[ \t]*[A-Za-z0-9-]{1,76}:[^\n]*\n)+/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Reads every section of a text, in order. What stands around the sections is passed over, be it quotes or attributes.
 * Line breaks may be spaces, or missing, or written as `\n`.
 */
export function pemSections(text: string): PemSection[] {
  const sections: PemSection[] = [];
  const plain = withLineBreaks(text);
  let open: { label: string; start: number } | undefined;
  const close = (end: number, isWhole: boolean) => {
    if (open) sections.push({ label: open.label, body: plain.slice(open.start, end), isWhole });
    open = undefined;
  };
  for (const boundary of plain.matchAll(BOUNDARY)) {
    const [line, kind, written = ''] = boundary;
    const label = written.trim();
    close(boundary.index, kind === 'END' && open?.label === label);
    if (kind === 'BEGIN') open = { label, start: boundary.index + line.length };
  }
  close(plain.length, false);
  return sections;
}

/** Reads the block of a section. @throws UnreadablePem when the section is no whole block of base64 */
export function pemBlock({ label, body, isWhole }: PemSection): PemBlock {
  if (!isWhole) {
    throw new UnreadablePem(
      `The line -----END ${label}----- is missing: the text was cut off. Give all of it, from -----BEGIN to -----END.`,
    );
  }
  const { dekInfo, rest } = withoutHeaders(body);
  const base64 = rest.replace(/\s+/g, '');
  if (!BASE64.test(base64)) {
    throw new UnreadablePem(
      `Between -----BEGIN ${label}----- and -----END ${label}----- stands something else than base64: copy the text anew.`,
    );
  }
  return { label, bytes: Buffer.from(base64, 'base64'), dekInfo };
}

/** Writes the blocks as OpenSSL does: in lines of 64 characters, each with a line break at its end. */
export function writePem(blocks: readonly PemBlock[]): string {
  return blocks
    .map(({ label, bytes, dekInfo }) => {
      const base64 = bytes.toString('base64');
      const lines: string[] = [`-----BEGIN ${label}-----`];
      if (dekInfo !== undefined) lines.push('Proc-Type: 4,ENCRYPTED', `DEK-Info: ${dekInfo}`, '');
      for (let at = 0; at < base64.length; at += LINE_LENGTH) lines.push(base64.slice(at, at + LINE_LENGTH));
      lines.push(`-----END ${label}-----`, '');
      return lines.join('\n');
    })
    .join('');
}

/**
 * The text with line breaks of every kind as `\n`, those of a text copied out of JSON included, which escapes them and
 * slashes.
 */
function withLineBreaks(text: string): string {
  const breaks = text.replace(/\r\n?/g, '\n');
  return breaks.includes('\\') ? breaks.replace(/\\[rn]/g, '\n').replace(/\\(?=[\\/\n])/g, '') : breaks;
}

/** Takes the headers off a body. @throws UnreadablePem when they tell of an encryption that OpenSSL no longer has */
function withoutHeaders(body: string): { dekInfo?: string; rest: string } {
  if (!body.includes(':')) return { rest: body };
  const [encryption, dekInfo] = TRADITIONAL_ENCRYPTION.exec(body) ?? [];
  if (encryption !== undefined && dekInfo !== undefined)
    return { dekInfo: dekInfo.toUpperCase(), rest: body.slice(encryption.length) };
  if (/Proc-Type:|DEK-Info:/i.test(body)) {
    throw new UnreadablePem(
      'The key is encrypted in an unusual way, or its Proc-Type and DEK-Info lines are damaged. Write it anew: openssl pkcs8 -topk8 -in FILE.',
    );
  }
  const [headers = ''] = HEADER_LINES.exec(body) ?? [];
  return { rest: body.slice(headers.length) };
}
