import { DER, type DerElement, readDerList, readDerSequence } from './der.ts';

/**
 * The most rounds of PBKDF2, or blocks that scrypt mixes (N × r × p), that opening a key may take: one or two seconds
 * of a processor.
 */
export const MAX_ROUNDS = 2 ** 20;

/** Object identifiers as DER writes them, in hex. */
const PBES2 = '2a864886f70d01050d';
const PBKDF2 = '2a864886f70d01050c';
const SCRYPT = '2b06010401da47040b';
/**
 * PKCS#12's own schemes with DES, which are the only ones from before PBES2 that OpenSSL still has. Their parameters
 * are a salt and a count.
 */
const PKCS12_DES = ['2a864886f70d010c0103', '2a864886f70d010c0104'];

/**
 * How many rounds it takes to open an encrypted PKCS#8 key, which the parameters of its algorithm tell before it is
 * begun. Undefined when they are written in a way that is not read here: OpenSSL might see other numbers in them.
 */
export function roundsOf(der: Buffer): number | undefined {
  const { id, parameters } = algorithmOf(readDerSequence(der)?.[0]);
  if (id !== PBES2) return PKCS12_DES.includes(id) ? countOf(parameters) : undefined;
  const derivation = algorithmOf(childrenOf(parameters)[0]);
  if (derivation.id === PBKDF2) return countOf(derivation.parameters);
  if (derivation.id !== SCRYPT) return undefined;
  const factors = childrenOf(derivation.parameters).slice(1, 4).map(numberOf);
  return factors.length < 3 ? undefined : factors.reduce((product, factor) => product * factor, 1);
}

/** Reads an AlgorithmIdentifier. */
function algorithmOf(element: DerElement | undefined): { id: string; parameters: DerElement | undefined } {
  const [id, parameters] = childrenOf(element);
  return { id: id?.tag === DER.OBJECT_IDENTIFIER ? id.content.toString('hex') : '', parameters };
}

/** Reads the count behind a salt. */
function countOf(parameters: DerElement | undefined): number | undefined {
  const [, count] = childrenOf(parameters);
  return count && numberOf(count);
}

function childrenOf(element: DerElement | undefined): readonly DerElement[] {
  return (element?.tag === DER.SEQUENCE && readDerList(element.content)) || [];
}

/** The number in an element. Of anything but a number that could be meant it makes more rounds than are ever done. */
function numberOf({ tag, content }: DerElement): number {
  return tag === DER.INTEGER && content.length > 0 ? Number(`0x${content.toString('hex')}`) : Number.POSITIVE_INFINITY;
}
