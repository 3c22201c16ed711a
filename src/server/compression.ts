import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { holdsToken } from '../modules/access/token.ts';

/** Below so many bytes an answer fits into a packet: it arrives no sooner when it is smaller. */
const MIN_BYTES = 1_024;
/** Of 11: it takes about the time of gzip, and makes less. */
const BROTLI_QUALITY = 4;

const encoders = {
  br: (text: string) =>
    promisify(brotliCompress)(text, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }),
  gzip: (text: string) => promisify(gzip)(text),
} as const;

export type Encoding = keyof typeof encoders;

/**
 * Says how an answer is compressed, by what the caller takes: one of less than 1 KiB stays as it is, and so does one
 * that shows a token, for the length of what is compressed tells of what is in it.
 */
export function encodingOf(text: string, acceptEncoding: string | undefined): Encoding | null {
  const encoding = acceptEncoding === undefined ? null : encodingFor(acceptEncoding);
  return encoding === null || Buffer.byteLength(text) < MIN_BYTES || holdsToken(text) ? null : encoding;
}

/** Compresses an answer, off the event loop. */
export function compress(text: string, encoding: Encoding): Promise<Buffer> {
  return encoders[encoding](text);
}

/** The encoding that a caller takes: brotli before gzip; null when he takes neither, or does not say. */
export function encodingFor(acceptEncoding?: string): Encoding | null {
  return (['br', 'gzip'] as const).find((coding) => takes(coding, acceptEncoding)) ?? null;
}

/** Whether a caller takes an encoding, by its Accept-Encoding (RFC 9110 §12.5.3). */
export function takes(coding: Encoding, acceptEncoding = ''): boolean {
  const taken = new Map<string, boolean>();
  for (const range of acceptEncoding.toLowerCase().split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim());
    taken.set(name, !parameters.some((each) => /^q\s*=\s*0(?:\.0*)?$/.test(each)));
  }
  return taken.get(coding) ?? taken.get('*') ?? false;
}
