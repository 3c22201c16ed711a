import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import { isRecipientKey } from '../../platform/keys/sealed-message.ts';

/** A key to which what a worker's tests need is sealed. */
export const publicKey = z
  .string()
  .refine(
    isRecipientKey,
    issue('INVALID_FORMAT', 'Give an X25519 public key: 32 bytes in base64url, without padding.'),
  );
