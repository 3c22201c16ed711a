declare module 'bcrypt-pbkdf' {
  /** Does one round: it makes 32 bytes of 64 bytes of hashed password and 64 of hashed salt. */
  export function hash(sha2pass: Uint8Array, sha2salt: Uint8Array, out: Uint8Array): void;
}
