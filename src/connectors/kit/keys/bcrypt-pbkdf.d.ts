declare module 'bcrypt-pbkdf' {
  /** One round: 64 bytes of hashed password and 64 of hashed salt to 32 bytes. */
  export function hash(sha2pass: Uint8Array, sha2salt: Uint8Array, out: Uint8Array): void;
}
