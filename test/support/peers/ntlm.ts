import { createHmac } from 'node:crypto';

/** Of one account, as a domain controller knows it. */
export interface NtlmAccount {
  readonly username: string;
  readonly domain: string;
  readonly password: string;
}

const SIGNATURE = Buffer.from('NTLMSSP\0', 'latin1');
const CHALLENGE_FLAGS = 0x00a2_8205;

/** Whether it is an NTLM NEGOTIATE message (MS-NLMP 2.2.1.1). */
export function isNegotiate(message: Buffer): boolean {
  return message.subarray(0, 8).equals(SIGNATURE) && message.readUInt32LE(8) === 1;
}

/** An NTLM CHALLENGE message (2.2.1.2) with 8 bytes to answer. */
export function challengeMessage(serverChallenge: Buffer, domain: string): Buffer {
  const name = Buffer.from(domain, 'utf16le');
  const info = Buffer.concat([pair(2, name), pair(1, Buffer.from('SQL1', 'utf16le')), pair(0, Buffer.alloc(0))]);
  const head = Buffer.alloc(56);
  SIGNATURE.copy(head);
  head.writeUInt32LE(2, 8);
  head.writeUInt16LE(name.length, 12);
  head.writeUInt16LE(name.length, 14);
  head.writeUInt32LE(56, 16);
  head.writeUInt32LE(CHALLENGE_FLAGS, 20);
  serverChallenge.copy(head, 24);
  head.writeUInt16LE(info.length, 40);
  head.writeUInt16LE(info.length, 42);
  head.writeUInt32LE(56 + name.length, 44);
  return Buffer.concat([head, name, info]);
}

function pair(id: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, value]);
}

/**
 * Whether an NTLM AUTHENTICATE message (2.2.1.3) proves that its sender knows an account's password: LMv2 as its
 * lengths tell, and the proof of NTLMv2 over all that follows it, since the driver gives that one's length without its
 * second part.
 */
export function isProof(message: Buffer, serverChallenge: Buffer, accounts: readonly NtlmAccount[]): boolean {
  if (!message.subarray(0, 8).equals(SIGNATURE) || message.readUInt32LE(8) !== 3) return false;
  const field = (at: number) => {
    const start = message.readUInt32LE(at + 4);
    return message.subarray(start, start + message.readUInt16LE(at));
  };
  const [domain, username] = [field(28).toString('utf16le'), field(36).toString('utf16le')];
  const account = accounts.find((each) => each.username === username && each.domain === domain);
  if (!account) return false;
  const identity = Buffer.from(username.toUpperCase() + domain, 'utf16le');
  const key = hmac(md4(Buffer.from(account.password, 'utf16le')), identity);
  const lm = field(12);
  const proofStart = message.readUInt32LE(24);
  const proof = message.subarray(proofStart, proofStart + 16);
  const blob = message.subarray(proofStart + 16);
  return (
    lm.length === 24 &&
    hmac(key, Buffer.concat([serverChallenge, lm.subarray(16)])).equals(lm.subarray(0, 16)) &&
    hmac(key, Buffer.concat([serverChallenge, blob])).equals(proof)
  );
}

function hmac(key: Buffer, data: Buffer): Buffer {
  return createHmac('md5', key).update(data).digest();
}

/** RFC 1320, which OpenSSL has put away. */
export function md4(input: Buffer): Buffer {
  const padded = Buffer.alloc(((input.length + 8) >> 6) * 64 + 64);
  input.copy(padded);
  padded.writeUInt8(0x80, input.length);
  padded.writeUInt32LE(input.length * 8, padded.length - 8);
  let state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let at = 0; at < padded.length; at += 64) state = md4Block(state, padded.subarray(at, at + 64));
  const digest = Buffer.alloc(16);
  state.forEach((word, index) => {
    digest.writeUInt32LE(word >>> 0, index * 4);
  });
  return digest;
}

/** The order of the words, the four turns and the constant of each of the three rounds. */
const ROUNDS = [
  { order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], turns: [3, 7, 11, 19], add: 0 },
  { order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], turns: [3, 5, 9, 13], add: 0x5a827999 },
  { order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], turns: [3, 9, 11, 15], add: 0x6ed9eba1 },
];
const MIXES = [
  (x: number, y: number, z: number) => (x & y) | (~x & z),
  (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z),
  (x: number, y: number, z: number) => x ^ y ^ z,
];

function md4Block(state: readonly number[], block: Buffer): number[] {
  let [a = 0, b = 0, c = 0, d = 0] = state;
  for (const [round, { order, turns, add }] of ROUNDS.entries()) {
    for (const [step, word] of order.entries()) {
      const mixed = (a + (MIXES[round]?.(b, c, d) ?? 0) + block.readUInt32LE(word * 4) + add) | 0;
      const turn = turns[step % 4] ?? 0;
      [a, b, c, d] = [d, (mixed << turn) | (mixed >>> (32 - turn)), b, c];
    }
  }
  return [a, b, c, d].map((word, index) => (word + (state[index] ?? 0)) | 0);
}
