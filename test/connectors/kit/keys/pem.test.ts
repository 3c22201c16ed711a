import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readCertificates } from '../../../../src/connectors/kit/keys/certificates.ts';
import {
  isEncryptedKey,
  KEY_LABELS,
  type KeyLabel,
  readKeyBlock,
} from '../../../../src/connectors/kit/keys/key-block.ts';
import { UnreadablePem, writePem } from '../../../../src/connectors/kit/keys/pem.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { pemForms } from '../../../support/pem-forms.ts';
import { madeUpBytes } from '../../../support/random.ts';
import { generateSshKey } from '../../../support/ssh-keys.ts';

const PASSPHRASE = 'opens it';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const { certificate: first, key } = await createAuthority('First');
const { certificate: second } = await createAuthority('Second');
const EC_PARAMETERS = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';

const sealed = (cipher: string) => ({ cipher, passphrase: PASSPHRASE });
const keys = {
  'PKCS#8': rsa.export({ type: 'pkcs8', format: 'pem' }).toString(),
  'PKCS#8, encrypted': ec.export({ type: 'pkcs8', format: 'pem', ...sealed('aes-256-cbc') }).toString(),
  'PKCS#1': rsa.export({ type: 'pkcs1', format: 'pem' }).toString(),
  'PKCS#1, encrypted with AES': rsa.export({ type: 'pkcs1', format: 'pem', ...sealed('aes-128-cbc') }).toString(),
  'PKCS#1, encrypted with DES': rsa.export({ type: 'pkcs1', format: 'pem', ...sealed('des-ede3-cbc') }).toString(),
  'SEC 1': ec.export({ type: 'sec1', format: 'pem' }).toString(),
  'SEC 1 behind its curve': EC_PARAMETERS + ec.export({ type: 'sec1', format: 'pem' }).toString(),
  'SEC 1, encrypted': ec.export({ type: 'sec1', format: 'pem', ...sealed('aes-256-cbc') }).toString(),
  OpenSSH: generateSshKey('ed25519').private,
  'OpenSSH, encrypted': generateSshKey('ed25519', {
    passphrase: PASSPHRASE,
    cipher: 'aes256-ctr',
    rounds: 1,
  }).private,
};

const normalKey = (text: string, labels: readonly KeyLabel[] = KEY_LABELS) => writePem([readKeyBlock(text, labels)]);
const normalCertificates = (text: string) => writePem(readCertificates(text).certificates);

/** What OpenSSL writes, with its lines of 64 characters; OpenSSH has longer ones. */
const rewrapped = (pem: string) => {
  const [begin = '', ...rest] = pem.trim().split('\n');
  const end = rest.pop() ?? '';
  const headers = rest.splice(0, rest.indexOf('') + 1);
  return [begin, ...headers, ...(rest.join('').match(/.{1,64}/g) ?? []), end, ''].join('\n');
};

describe.each(Object.entries(pemForms))('PEM %s', (_form, written) => {
  it.each(Object.entries(keys))('is read: a key in %s', (_name, pem) => {
    const normal = normalKey(written(pem));
    expect(normal).toBe(rewrapped(pem.replace(EC_PARAMETERS, '')));
    expect(normalKey(normal)).toBe(normal);
    if (!pem.includes('OPENSSH'))
      expect(createPrivateKey({ key: normal, passphrase: PASSPHRASE }).type).toBe('private');
  });

  it('is read: certificates, in their order', () => {
    const normal = normalCertificates(written(second + first));
    expect(normal).toBe(rewrapped(second) + rewrapped(first));
    expect(new X509Certificate(normal).subject).toBe('CN=Second');
    expect(normalCertificates(normal)).toBe(normal);
  });

  it('is read: a certificate and its key, each where it is wanted', () => {
    for (const both of [written(first + key), written(key + first)]) {
      expect(normalCertificates(both)).toBe(rewrapped(first));
      expect(normalKey(both)).toBe(rewrapped(key));
      expect(readCertificates(both).privateKeys.map((block) => writePem([block]))).toEqual([rewrapped(key)]);
    }
  });
});

/**
 * By PKCS#12's own scheme, as openssl pkcs8 -v1 PBE-SHA1-3DES writes it; its salt, its count and what is encrypted are
 * invented.
 */
const sealedByDes = Buffer.from('3023301c060a2a864886f70d010c0103300e04080102030405060708020208000403010203', 'hex');

describe('what is read', () => {
  it('is a certificate under each of its names, without what it is trusted for', () => {
    for (const name of ['X509 CERTIFICATE', 'TRUSTED CERTIFICATE']) {
      const renamed = first.replaceAll('CERTIFICATE', name);
      expect(normalCertificates(renamed)).toBe(rewrapped(first));
    }
    const trust = Buffer.from('300c300a06082b06010505070301', 'hex');
    const bytes = Buffer.concat([new X509Certificate(first).raw, trust]).toString('base64');
    const trusted = `-----BEGIN TRUSTED CERTIFICATE-----\n${bytes}\n-----END TRUSTED CERTIFICATE-----`;
    expect(normalCertificates(trusted)).toBe(rewrapped(first));
  });

  it('is no block twice', () => {
    expect(normalCertificates(first + second + first)).toBe(rewrapped(first) + rewrapped(second));
    expect(normalKey(keys['PKCS#8'] + keys['PKCS#8'])).toBe(keys['PKCS#8']);
  });

  it('is not hindered by other blocks, be they damaged', () => {
    const others =
      '-----BEGIN X509 CRL-----\nAAAA\n-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n-----END X-----\n';
    expect(normalCertificates(others + first + others)).toBe(rewrapped(first));
    expect(normalKey(others + key + others)).toBe(rewrapped(key));
  });

  it('is a key that was encrypted by PKCS#12, whose DES OpenSSL still has', () => {
    expect(isEncryptedKey(readKeyBlock(pem('ENCRYPTED PRIVATE KEY', sealedByDes), KEY_LABELS))).toBe(true);
  });

  it('says which keys are encrypted', () => {
    for (const [name, pem] of Object.entries(keys)) {
      expect([name, isEncryptedKey(readKeyBlock(pem, KEY_LABELS))]).toEqual([name, name.includes('encrypted')]);
    }
  });
});

const pem = (label: string, bytes: Buffer) =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64')}\n-----END ${label}-----\n`;
const lines = (text: string) => text.trimEnd().split('\n');
const publicKey = pem('PUBLIC KEY', Buffer.from('3003020100', 'hex'));
const CSR = pem('CERTIFICATE REQUEST', Buffer.from('3000', 'hex'));
const PUTTY = 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\nAAAAC3NzaC1l\n';

/** What is wrong, and what the message says of it. Each holds nothing of the text. */
const neither: readonly (readonly [name: string, text: string, says: RegExp])[] = [
  ['PuTTY’s format', PUTTY, /PuTTYgen/],
  ['a public key', publicKey, /public key/],
  ['a public key of SSH.com', '---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----', /public key/],
  ['a public key of OpenSSH', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@host', /public key/],
  ['a signing request', CSR, /signing request/],
  ['PKCS#7', pem('PKCS7', Buffer.from('3000', 'hex')), /PKCS#7/],
  ['parameters alone', EC_PARAMETERS, /parameters/],
  ['a revocation list', pem('X509 CRL', Buffer.from('3000', 'hex')), /revoked/],
  ['DER', new X509Certificate(first).raw.toString('utf8'), /DER/],
  ['base64 without its lines', lines(first).slice(1, -1).join('\n'), /-----BEGIN …----- and -----END …-----/],
  ['PEM in base64', Buffer.from(first).toString('base64'), /base64 -d/],
  ['other dashes', first.replaceAll('-----', '–––'), /hyphens/],
  ['too few dashes', first.replaceAll('-----', '----'), /hyphens/],
  ['a path', '/etc/ssl/certs/ca.pem', /name of a file/],
  ['a path of Windows', 'C:\\certs\\ca.crt', /name of a file/],
  ['words', 'see the attachment', /whole text/],
];

describe('a field of certificates refuses', () => {
  it.each([
    ...neither,
    ['a private key alone', key, /The key belongs in clientKey/],
    ['a text without its beginning', lines(first).slice(1).join('\n'), /-----BEGIN …----- is missing/],
    ['a text without its end', lines(first).slice(0, -1).join('\n'), /cut off/],
    ['a chain that was cut off', first + lines(second).slice(0, -3).join('\n'), /cut off/],
    ['a certificate without some of its lines', lines(first).toSpliced(2, 1).join('\n'), /cut off/],
    ['another letter in it', first.replace('\nMII', '\nMI…'), /something else than base64/],
    ['an empty block', pem('CERTIFICATE', Buffer.alloc(0)), /something else than base64/],
    ['nonsense', pem('CERTIFICATE', madeUpBytes(200)), /damaged/],
    [
      'bytes behind a certificate',
      pem('CERTIFICATE', Buffer.concat([new X509Certificate(first).raw, Buffer.of(0)])),
      /damaged/,
    ],
    ['a key under the name of a certificate', keys['PKCS#8'].replaceAll('PRIVATE KEY', 'CERTIFICATE'), /damaged/],
  ] as const)('%s', (_name, text, says) => refuses(() => readCertificates(text), says));
});

describe('a field of a key refuses', () => {
  const client: readonly KeyLabel[] = ['PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'];
  const plain: readonly KeyLabel[] = ['PRIVATE KEY', 'RSA PRIVATE KEY'];
  // RC4, by an identifier that differs from that of DES in its last byte
  const unknownEncryption = Buffer.from(sealedByDes).fill(1, 15, 16);
  const damagedDek = keys['PKCS#1, encrypted with AES'].replace(/,[0-9A-F]{32}/, ',1234');
  it.each([
    ...neither.map((each) => [...each, KEY_LABELS] as const),
    ['a certificate alone', first, /This is a certificate/, client],
    ['two keys', keys['PKCS#8'] + key, /several/, client],
    ['OpenSSH’s format where it is not taken', keys.OpenSSH, /ssh-keygen -p -m PKCS8/, client],
    ['a curve’s key where RSA is wanted', keys['SEC 1'], /-----BEGIN RSA PRIVATE KEY-----/, plain],
    ['DSA', pem('DSA PRIVATE KEY', Buffer.from('3003020100', 'hex')), /not taken/, KEY_LABELS],
    ['an encrypted key where there is no passphrase', keys['PKCS#8, encrypted'], /-nocrypt/, plain],
    ['the same in the traditional form', keys['PKCS#1, encrypted with AES'], /-nocrypt/, plain],
    ['an encryption that OpenSSL has no more', damagedDek.replace('AES-128-CBC', 'RC2-CBC'), /unusual/, client],
    ['a damaged line of it', damagedDek, /damaged/, client],
    ['a key without its end', lines(key).slice(0, -1).join('\n'), /cut off/, client],
    ['a key without some of its lines', lines(keys['PKCS#1']).toSpliced(3, 1).join('\n'), /cut off/, client],
    [
      'a cut-off key of OpenSSH',
      pem('OPENSSH PRIVATE KEY', Buffer.from('openssh-key-v1\0\0\0')),
      /cut off/,
      KEY_LABELS,
    ],
    ['nonsense', pem('PRIVATE KEY', madeUpBytes(100)), /damaged/, client],
    ['nonsense that says to be encrypted', pem('ENCRYPTED PRIVATE KEY', madeUpBytes(100)), /damaged/, client],
    ['an encryption that nobody knows', pem('ENCRYPTED PRIVATE KEY', unknownEncryption), /unusual/, client],
    ['one format under the name of another', keys['PKCS#8'].replaceAll(' PRIVATE', ' EC PRIVATE'), /damaged/, client],
  ] as const)('%s', (_name, text, says, labels) => refuses(() => readKeyBlock(text, labels), says));
});

function refuses(read: () => unknown, says: RegExp): void {
  let refusal: unknown;
  try {
    read();
  } catch (error) {
    refusal = error;
  }
  if (!(refusal instanceof UnreadablePem)) throw new Error(`It was read, or failed: ${refusal}`);
  expect(refusal.message).toMatch(says);
  // what is wrong is said in a table's words
  expect(refusal.message).not.toMatch(/[A-Za-z0-9+/]{30}/);
}
