import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import ssh2 from 'ssh2';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import { MAX_BCRYPT_ROUNDS, openSshText } from '../../../../src/connectors/kit/keys/openssh-key.ts';
import { openPrivateKey } from '../../../../src/connectors/kit/keys/private-key.ts';
import { madeUpBytes } from '../../../support/random.ts';
import { generateSshKey } from '../../../support/ssh-keys.ts';

const PASSPHRASE = 'correct horse ä✓';
const { utils } = ssh2;

function open(pem: string, passphrase?: string, signal = new AbortController().signal): Promise<KeyObject> {
  return openPrivateKey(pem, { passphrase, keyPath: 'a.key', passphrasePath: 'a.passphrase', signal });
}

async function failureOf(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => 'it was opened',
    (reason) => reason,
  );
  return error instanceof Failure ? error.report : error;
}

function spki(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}

/** Keys as ssh-keygen writes them. */
const openSsh = {
  ed25519: (options = {}) => generateSshKey('ed25519', options),
  rsa: (options = {}) => generateSshKey('rsa', { bits: 2048, ...options }),
  'ecdsa 256': (options = {}) => generateSshKey('ecdsa', { bits: 256, ...options }),
  'ecdsa 384': (options = {}) => generateSshKey('ecdsa', { bits: 384, ...options }),
  'ecdsa 521': (options = {}) => generateSshKey('ecdsa', { bits: 521, ...options }),
};

/** The PEM of the public part. */
function publicPem(text: string): string {
  const key = utils.parseKey(text);
  if (key instanceof Error) throw key;
  return createPublicKey(key.getPublicPEM()).export({ type: 'spki', format: 'pem' }).toString();
}

/** Keys as OpenSSL writes them. */
const openSsl = {
  ed25519: generateKeyPairSync('ed25519').privateKey,
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  ec: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
};

describe('keys in OpenSSH’s format', () => {
  it.each(Object.entries(openSsh))('opens %s, encrypted or not', async (_name, generate) => {
    const plain = generate();
    expect(spki(await open(plain.private))).toBe(publicPem(plain.public));
    const sealed = generate({ passphrase: PASSPHRASE, cipher: 'aes256-ctr', rounds: 2 });
    expect(spki(await open(sealed.private, PASSPHRASE))).toBe(publicPem(sealed.public));
  });

  it.each(['aes128-ctr', 'aes192-ctr', 'aes256-cbc', 'aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'])(
    'opens one that is encrypted with %s, and no other passphrase does',
    async (cipher) => {
      const key = openSsh.ed25519({ passphrase: PASSPHRASE, cipher, rounds: 3 });
      expect(spki(await open(key.private, PASSPHRASE))).toBe(publicPem(key.public));
      expect(await failureOf(open(key.private, 'wrong'))).toMatchObject({
        code: 'PASSPHRASE_REFUSED',
        cause: 'INVALID_CONFIG',
        configPath: 'a.passphrase',
      });
    },
  );

  it('asks for the passphrase that is missing', async () => {
    const { private: text } = openSsh.ed25519({ passphrase: PASSPHRASE, cipher: 'aes256-ctr', rounds: 1 });
    expect(await failureOf(open(text))).toMatchObject({ code: 'PASSPHRASE_REQUIRED', configPath: 'a.passphrase' });
  });

  it('refuses more than 128 bcrypt rounds, without beginning with them', async () => {
    const { private: text } = openSsh.ed25519({ passphrase: PASSPHRASE, cipher: 'aes256-ctr', rounds: 1 });
    for (const rounds of [MAX_BCRYPT_ROUNDS + 1, 400, 20_000, 0xffff_ffff]) {
      const begun = process.cpuUsage();
      const report = await failureOf(open(withRounds(text, rounds), PASSPHRASE));
      // 20,000 would take minutes
      expect(process.cpuUsage(begun).user).toBeLessThan(2_000_000);
      expect(report).toMatchObject({
        code: 'KEY_UNUSABLE',
        configPath: 'a.key',
        hint: expect.stringContaining('rounds'),
      });
    }
    expect(await failureOf(open(withRounds(text, 0), PASSPHRASE))).toMatchObject({ code: 'KEY_UNUSABLE' });
  });

  it('lets others work meanwhile, and stops when it is told to', async () => {
    const { private: text } = openSsh.ed25519({ passphrase: PASSPHRASE, cipher: 'aes256-ctr', rounds: 20 });
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const opening = open(text, PASSPHRASE, controller.signal).catch((error: unknown) => error);
    for (let turn = 0; turn < 10; turn += 1) await setImmediate();
    controller.abort(reason);
    expect(await opening).toBe(reason);
  });

  it('writes Ed25519 keys as ssh2 reads them', () => {
    // one whose public part begins with a zero byte, which ssh2 itself drops when it writes a key
    const zeroFirst = '41b8dcbe382c7fe4d36b35b80be275cddfb53744ec97280790f7b25db96b0723';
    const der = Buffer.from(`302e020100300506032b657004220420${zeroFirst}`, 'hex');
    const keys = Array.from({ length: 5 }, () => generateKeyPairSync('ed25519').privateKey);
    for (const privateKey of [...keys, createPrivateKey({ format: 'der', type: 'pkcs8', key: der })]) {
      const parsed = utils.parseKey(openSshText(privateKey));
      if (parsed instanceof Error) throw parsed;
      expect(createPrivateKey(parsed.getPrivatePEM()).equals(privateKey)).toBe(true);
    }
  });
});

describe('keys in PEM', () => {
  const cipher = 'aes-256-cbc';
  it.each<[string, KeyObject, string, string]>([
    ['ed25519', openSsl.ed25519, pkcs8(openSsl.ed25519), pkcs8(openSsl.ed25519, PASSPHRASE)],
    ['rsa', openSsl.rsa, pkcs8(openSsl.rsa), pkcs8(openSsl.rsa, PASSPHRASE)],
    ['ec', openSsl.ec, pkcs8(openSsl.ec), pkcs8(openSsl.ec, PASSPHRASE)],
    [
      'PKCS#1',
      openSsl.rsa,
      openSsl.rsa.export({ type: 'pkcs1', format: 'pem' }).toString(),
      openSsl.rsa.export({ type: 'pkcs1', format: 'pem', cipher, passphrase: PASSPHRASE }).toString(),
    ],
    [
      'SEC 1',
      openSsl.ec,
      openSsl.ec.export({ type: 'sec1', format: 'pem' }).toString(),
      openSsl.ec.export({ type: 'sec1', format: 'pem', cipher, passphrase: PASSPHRASE }).toString(),
    ],
  ])('opens %s, encrypted or not', async (_name, key, plain, sealed) => {
    expect((await open(plain)).equals(key)).toBe(true);
    expect((await open(plain, 'not needed')).equals(key)).toBe(true);
    expect((await open(sealed, PASSPHRASE)).equals(key)).toBe(true);
    expect(await failureOf(open(sealed, 'wrong'))).toMatchObject({ code: 'PASSPHRASE_REFUSED' });
    expect(await failureOf(open(sealed))).toMatchObject({ code: 'PASSPHRASE_REQUIRED', configPath: 'a.passphrase' });
  });

  it('refuses a count of iterations that would hold everything up, without beginning with them', async () => {
    const sealed = pkcs8(openSsl.ed25519, PASSPHRASE);
    const der = Buffer.from(sealed.replace(/-----[^-]+-----/g, ''), 'base64');
    // Node writes 2,048 iterations
    const count = der.indexOf(Buffer.from([0x02, 0x02, 0x08, 0x00]));
    expect(count).toBeGreaterThan(0);
    // a longer integer, as a wider one would shift all lengths: the salt before it gives up its last two bytes
    const costly = Buffer.concat([
      der.subarray(0, count),
      Buffer.from([0x02, 0x04, 0x7f, 0xff, 0xff, 0xff]),
      der.subarray(count + 4),
    ]);
    const [outer, algorithm, parameters, derivation, options] = sequences(costly, count);
    for (const at of [outer, algorithm, parameters, derivation, options]) costly[at] = (costly[at] ?? 0) + 2;
    const begun = process.cpuUsage();
    expect(await failureOf(open(pemOf('ENCRYPTED PRIVATE KEY', costly), PASSPHRASE))).toMatchObject({
      code: 'KEY_UNUSABLE',
      configPath: 'a.key',
      hint: expect.stringContaining('too much work'),
    });
    expect(process.cpuUsage(begun).user).toBeLessThan(5_000_000);
  });
});

describe('keys that are of no use', () => {
  const rsaOf = (bytes: number) => {
    const [n, half] = [oddNumber(bytes), () => oddNumber(bytes / 2)];
    const parts = { n, e: 'AQAB', d: oddNumber(bytes), p: half(), q: half(), dp: half(), dq: half(), qi: half() };
    return pkcs8(createPrivateKey({ format: 'jwk', key: { kty: 'RSA', ...parts } }));
  };

  it.each<[string, string, RegExp]>([
    ['an RSA key of 16,384 bits', rsaOf(2_048), /8192 bits/],
    ['another curve', pkcs8(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey), /Ed25519/],
    ['DSA', pkcs8(generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }).privateKey), /Ed25519/],
    ['damage', pemOf('OPENSSH PRIVATE KEY', madeUpBytes(200)), /whole text/],
    ['a cut-off key', pemOf('OPENSSH PRIVATE KEY', bytesOf(openSsh.ed25519().private).subarray(0, 120)), /whole text/],
    ['nonsense within PKCS#8', pemOf('PRIVATE KEY', madeUpBytes(100)), /whole text/],
    ['no PEM', 'a key', /whole text/],
    ['a public key', 'ssh-ed25519 AAAA', /public key/],
    [
      'an unusual cipher',
      withCipher(openSsh.ed25519({ passphrase: 'x', cipher: 'aes256-ctr', rounds: 1 }).private),
      /unusual/,
    ],
  ])('says so of %s', async (_name, pem, hint) => {
    const report = await failureOf(open(pem, 'x'));
    expect(report).toMatchObject({ code: 'KEY_UNUSABLE', cause: 'INVALID_CONFIG', configPath: 'a.key' });
    expect(report).toHaveProperty('hint', expect.stringMatching(hint));
  });
});

function pkcs8(key: KeyObject, passphrase?: string): string {
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return key.export({ type: 'pkcs8', format: 'pem', ...encryption }).toString();
}

function oddNumber(bytes: number): string {
  const number = madeUpBytes(bytes);
  number[0] = 0xff;
  number[bytes - 1] = 0xff;
  return number.toString('base64url');
}

function bytesOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}

function pemOf(label: string, bytes: Buffer): string {
  return `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`;
}

/** The same key with another count of rounds written in it. */
function withRounds(pem: string, rounds: number): string {
  const bytes = bytesOf(pem);
  // magic, cipher, kdf: then the options, which are a salt and the rounds
  const kdf = bytes.indexOf('bcrypt') + 'bcrypt'.length;
  const saltLength = bytes.readUInt32BE(kdf + 4);
  bytes.writeUInt32BE(rounds, kdf + 8 + saltLength);
  return pemOf('OPENSSH PRIVATE KEY', bytes);
}

function withCipher(pem: string): string {
  const bytes = bytesOf(pem);
  bytes.write('aes256-xyz', bytes.indexOf('aes256-ctr'), 'latin1');
  return pemOf('OPENSSH PRIVATE KEY', bytes);
}

/** Where the last length byte stands of each of the five sequences around a place of a DER text. */
function sequences(der: Buffer, place: number): [number, number, number, number, number] {
  const found: number[] = [];
  for (let at = 0; at < place && found.length < 5; ) {
    if (der[at] !== 0x30) {
      at += 2 + (der[at + 1] ?? 0);
      continue;
    }
    const extra = (der[at + 1] ?? 0) < 0x80 ? 0 : (der[at + 1] ?? 0) & 0x7f;
    found.push(at + 1 + extra);
    at += 2 + extra;
  }
  return found as [number, number, number, number, number];
}
