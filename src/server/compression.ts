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

/** What is sent of an answer. */
export interface Encoded {
  readonly body: string | Buffer;
  /** Null: it is sent as it is. */
  readonly encoding: Encoding | null;
}

/**
 * Compresses an answer of 1 KiB or more by what the caller takes, off the event loop. One that shows a token stays as
 * it is, for the length of what is compressed tells of what is in it.
 */
export async function compress(text: string, acceptEncoding: string | undefined): Promise<Encoded> {
  const encoding = Buffer.byteLength(text) < MIN_BYTES || holdsToken(text) ? null : encodingFor(acceptEncoding);
  return { encoding, body: encoding === null ? text : await encoders[encoding](text) };
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
