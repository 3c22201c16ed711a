import ssh2, { type utils } from 'ssh2';

const KEY_BYTES = 32;

/**
 * A fresh key pair in OpenSSH's format. ssh2 drops a zero byte at the start of an Ed25519 public key, so that one pair
 * in 256 is damaged: such a pair is thrown away.
 */
export function generateSshKey(
  type: utils.KeyType,
  options: utils.KeyPairOptions & { readonly bits?: number } = {},
): utils.KeyPairReturn {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync<utils.KeyType>(type, options);
    if (type !== 'ed25519' || ed25519Bytes(pair.public) === KEY_BYTES) return pair;
  }
}

/** How long the key itself is in a line of authorized_keys. */
function ed25519Bytes(line: string): number {
  const blob = Buffer.from(line.split(' ')[1] ?? '', 'base64');
  // the name of the type comes first, with its length before it
  return blob.readUInt32BE(4 + blob.readUInt32BE(0));
}
