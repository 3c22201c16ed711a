import { expect, test } from 'vitest';
import { canBindTo } from '../../../../src/connectors/families/postgres/channel-binding.ts';
import { createAuthority } from '../../../support/certificates.ts';

const element = (tag: number, ...parts: (Buffer | string)[]): Buffer => {
  const content = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part)));
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
};
const sequence = (...parts: Buffer[]) => element(0x30, ...parts);
/** No more of a certificate than what tells how it is signed. */
const signedBy = (...algorithm: Buffer[]) => sequence(sequence(), sequence(...algorithm), element(3, '00'));
const identifier = (hex: string) => element(6, hex);
const pss = (hash: string) =>
  signedBy(identifier('2a864886f70d01010a'), sequence(element(0xa0, sequence(identifier(hash)))));

test.each<[string, Buffer, boolean]>([
  ['RSA with SHA-1', signedBy(identifier('2a864886f70d010105'), element(5)), true],
  ['RSA with SHA-512', signedBy(identifier('2a864886f70d01010d'), element(5)), true],
  ['ECDSA with SHA-384', signedBy(identifier('2a8648ce3d040303')), true],
  ['RSA-PSS with SHA-256', pss('608648016503040201'), true],
  ['RSA-PSS with another hash', pss('60864801650304020a'), false],
  ['RSA-PSS that names no hash', signedBy(identifier('2a864886f70d01010a'), sequence()), false],
  ['Ed25519', signedBy(identifier('2b6570')), false],
  ['Ed448', signedBy(identifier('2b6571')), false],
  ['what nobody knows', signedBy(identifier('2a030405')), false],
  ['no certificate', Buffer.from('no certificate'), false],
])('%s', (_name, certificate, expected) => expect(canBindTo(certificate)).toBe(expected));

test.each([
  ['P-256', true],
  ['Ed25519', false],
] as const)('a whole certificate, signed by %s', async (kind, expected) => {
  const { certificate } = await createAuthority('Some Authority', kind);
  expect(canBindTo(Buffer.from(certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64'))).toBe(expected);
});
