/** The tags of ASN.1 that keys and certificates are made of. */
export const DER = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  SEQUENCE: 0x30,
} as const;

/** One element of a DER text. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** How many bytes the element takes, its tag and length included. */
  readonly size: number;
}

const LONG_FORM = 0x80;
const MOST_LENGTH_BYTES = 4;
const HIGH_TAG = 0x1f;

/**
 * Reads the element that the bytes begin with. Undefined when they hold none as a whole. Lengths are definite, as DER
 * has them.
 */
export function readDer(bytes: Buffer): DerElement | undefined {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined || (tag & HIGH_TAG) === HIGH_TAG) return undefined;
  const lengthBytes = first < LONG_FORM ? 0 : first - LONG_FORM;
  const start = 2 + lengthBytes;
  // a first byte of 0x80 alone announces an end with a mark of its own, which BER has and DER has not
  if (first === LONG_FORM || lengthBytes > MOST_LENGTH_BYTES || start > bytes.length) return undefined;
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(2, lengthBytes);
  const size = start + length;
  return size > bytes.length ? undefined : { tag, content: bytes.subarray(start, size), size };
}

/** Reads the elements that the bytes consist of. Undefined when they are not whole elements up to the end. */
export function readDerList(bytes: Buffer): DerElement[] | undefined {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const element = readDer(bytes.subarray(at));
    if (!element) return undefined;
    elements.push(element);
    at += element.size;
  }
  return elements;
}

/** Reads the elements of the one sequence that the bytes are. Undefined when they are anything else. */
export function readDerSequence(bytes: Buffer): DerElement[] | undefined {
  const element = readDer(bytes);
  if (element?.tag !== DER.SEQUENCE || element.size !== bytes.length) return undefined;
  return readDerList(element.content);
}
