import { z } from 'zod';
import { tls } from '../kit/config/tls.ts';
import { url } from '../kit/config/url.ts';

/** A message to a receiver of webhooks. It is signed already: the executor gets no secret. */
export const webhookConfig = z.object({
  url: url({ keepsPath: true }),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  tls: tls(),
});

export type WebhookMessage = z.output<typeof webhookConfig>;
