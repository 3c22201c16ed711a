import { createPrivateKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { UnsealError } from '../../../src/platform/keys/sealed-box.ts';
import {
  isRecipientKey,
  newRecipientKey,
  openMessage,
  sealMessage,
} from '../../../src/platform/keys/sealed-message.ts';

const INFO = 'datastore-gateway lease';
const PLACE = ['a', 'b'];

test('a message opens with the recipient’s private key, its info and its place, and with nothing else', () => {
  const [key, other] = [newRecipientKey(), newRecipientKey()];
  const sealed = sealMessage(key.publicKey, INFO, PLACE, Buffer.from('a secret'));
  expect(openMessage(key, INFO, PLACE, sealed).toString()).toBe('a secret');
  expect(sealMessage(key.publicKey, INFO, PLACE, Buffer.from('a secret'))).not.toBe(sealed);
  expect(() => openMessage(other, INFO, PLACE, sealed)).toThrow(UnsealError);
  expect(() => openMessage(key, 'another info', PLACE, sealed)).toThrow(UnsealError);
  for (const place of [['a'], ['ab', ''], ['b', 'a']]) expect(() => openMessage(key, INFO, place, sealed)).toThrow();
  const bytes = Buffer.from(sealed, 'base64url');
  for (const at of [0, 31, 32, bytes.length - 1]) {
    const altered = Buffer.from(bytes);
    altered[at] = (altered[at] ?? 0) ^ 1;
    expect(() => openMessage(key, INFO, PLACE, altered.toString('base64url'))).toThrow(UnsealError);
  }
  for (const length of [0, 32, 47, bytes.length - 1])
    expect(() => openMessage(key, INFO, PLACE, bytes.subarray(0, length).toString('base64url'))).toThrow(UnsealError);
});

test('a message that another implementation of HPKE has sealed opens', () => {
  // @hpke/core 1.7.5: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM
  const [d, x] = ['2JLKSlRRtMMYY1YXOjehPaG5Mxf2Dsn0AscqfROFX3s', 'Oefu_tN8WV6Dh4L9I5r1rbpo0xl3Qw2P-3aVncRaIBU'];
  const sealed = '6O2kXtklEo3TSIRdAOGlCo6yZGsJvNN-_5i6lYwwTCZErGanjJ3oe66GSOzKAK4jiP0Q1EmNkg8QpGym-cU';
  const privateKey = createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d, x }, format: 'jwk' });
  expect(openMessage({ publicKey: x, privateKey }, INFO, PLACE, sealed).toString()).toBe('a known answer');
});

test.each([
  ['', 'nothing'],
  ['abc', 'too short'],
  [Buffer.alloc(32).toString('base64url'), 'the point of order 1'],
  [Buffer.concat([Buffer.of(1), Buffer.alloc(31)]).toString('base64url'), 'the point of order 4'],
  [`${newRecipientKey().publicKey}=`, 'padded'],
])('%j is no key to seal to: %s', (text) => {
  expect(isRecipientKey(text)).toBe(false);
  expect(isRecipientKey(newRecipientKey().publicKey)).toBe(true);
});
