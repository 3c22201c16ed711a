import { z } from 'zod';
import { destination, secret } from '../kit/config/marks.ts';
import { rules } from '../kit/config/rules.ts';
import { headerText, text } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { clearTextRules, httpNeedsTlsDisabled, url } from '../kit/config/url.ts';

export const keyholdConfig = z
  .object({
    baseUrl: destination(url()).meta({
      title: 'Base URL',
      description: 'The URL at which the store answers. Example: https://keyhold.example.com',
    }),
    token: secret(headerText(256)).optional().meta({
      title: 'Token',
      description:
        'The token of whoever reads, at most 256 characters. Leave empty when the store asks for none. It is a secret.',
    }),
    bucket: text(64).meta({
      title: 'Bucket',
      description: 'The name of the bucket whose keys are read, at most 64 characters.',
    }),
    tls: tls(),
  })
  .superRefine((value, context) => httpNeedsTlsDisabled(value, context, 'baseUrl'))
  .meta(rules(...clearTextRules('baseUrl')));

export type KeyholdConfig = z.output<typeof keyholdConfig>;
