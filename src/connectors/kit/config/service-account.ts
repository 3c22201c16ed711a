import { z } from 'zod';
import type { KeyLabel } from '../keys/key-block.ts';
import { host } from './host.ts';
import { destination, issue, named, secret } from './marks.ts';
import { privateKey } from './pem.ts';
import { anyText, matching } from './text.ts';

/** The formats of a service account’s key. */
const SERVICE_ACCOUNT_KEYS: readonly KeyLabel[] = ['PRIVATE KEY', 'RSA PRIVATE KEY'];

/** The universe domain of the public Google cloud. */
export const GOOGLE_DOMAIN = 'googleapis.com';

const serviceAccountFields = named(
  'ServiceAccount',
  z.object({
    type: anyText(64)
      .refine(
        (type) => type === 'service_account',
        issue('INVALID_VALUE', 'Only keys of the type service_account are taken.'),
      )
      .default('service_account')
      .meta({
        const: 'service_account',
        title: 'Type',
        description: 'The kind of credentials, which is always service_account. The gateway refuses every other kind.',
      }),
    projectId: anyText(64).optional().meta({
      title: 'Project id',
      description: 'The id of the project that the account belongs to. Example: my-project-123',
    }),
    privateKeyId: matching(anyText(128), /^[A-Za-z0-9_-]+$/, 'Give letters, digits, "-" and "_" alone.')
      .optional()
      .meta({
        title: 'Private key id',
        description: 'The hexadecimal id that tells Google which key of the account signs.',
      }),
    privateKey: secret(privateKey(SERVICE_ACCOUNT_KEYS)).meta({
      title: 'Private key',
      description:
        'The RSA private key of the account, as PEM that is not encrypted. This secret is never shown again.',
    }),
    clientEmail: matching(anyText(320), /^[^\s@]+@[^\s@]+$/, 'Give name@domain, without spaces.').meta({
      title: 'Client email',
      description: 'The name of the account. Example: reader@my-project-123.iam.gserviceaccount.com',
    }),
    clientId: matching(anyText(64), /^\d+$/, 'Give digits alone.').optional().meta({
      title: 'Client id',
      description: 'The number of the account, as in the key file. The gateway does not use it.',
    }),
    authUri: anyText(512).optional().meta({
      title: 'Auth URI',
      pattern: '^https://accounts\\.google\\.com/o/oauth2/auth$',
      description: 'The URL in the key file. The gateway never calls it, and takes no other than Google’s own.',
    }),
    tokenUri: anyText(512).optional().meta({
      title: 'Token URI',
      pattern: '^https://(?:oauth2\\.[a-z0-9.-]+/token|accounts\\.google\\.com/o/oauth2/token)$',
      description: 'The URL in the key file. The gateway never calls it, and takes no other than Google’s own.',
    }),
    authProviderX509CertUrl: anyText(512).optional().meta({
      title: 'Auth provider certificate URL',
      pattern: '^https://www\\.[a-z0-9.-]+/oauth2/v1/certs$',
      description: 'The URL in the key file. The gateway never calls it, and takes no other than Google’s own.',
    }),
    clientX509CertUrl: anyText(512).optional().meta({
      title: 'Client certificate URL',
      pattern: '^https://www\\.[a-z0-9.-]+/robot/v1/metadata/x509/[A-Za-z0-9%._@+-]+$',
      description: 'The URL in the key file. The gateway never calls it, and takes no other than Google’s own.',
    }),
    universeDomain: destination(
      host().refine((name) => /\.[a-z][a-z0-9-]+$/.test(name), issue('INVALID_FORMAT', 'Give a domain name.')),
    )
      .optional()
      .meta({
        title: 'Universe domain',
        pattern: '^(?:[A-Za-z0-9_-]+\\.)+[A-Za-z][A-Za-z0-9-]+/?$',
        description:
          'The domain of the Google cloud that the account belongs to. Leave empty for the public cloud, googleapis.com.',
      }),
  }),
);

/** Tell whether a URL of a key file is one that Google itself writes there. `domain` is the account's universe. */
const googleUrls: Record<string, (url: string, domain: string) => boolean> = {
  authUri: (url) => url === 'https://accounts.google.com/o/oauth2/auth',
  tokenUri: (url, domain) =>
    url === `https://oauth2.${domain}/token` ||
    url === 'https://oauth2.googleapis.com/token' ||
    url === 'https://accounts.google.com/o/oauth2/token',
  authProviderX509CertUrl: (url, domain) =>
    url === `https://www.${domain}/oauth2/v1/certs` || url === 'https://www.googleapis.com/oauth2/v1/certs',
  clientX509CertUrl: (url, domain) =>
    [domain, GOOGLE_DOMAIN].some((name) => {
      const prefix = `https://www.${name}/robot/v1/metadata/x509/`;
      return url.startsWith(prefix) && /^[A-Za-z0-9%._@+-]+$/.test(url.slice(prefix.length));
    }),
};

/**
 * A key of a Google service account, with the fields of its JSON file in camelCase. Other URLs than Google's own are
 * refused.
 */
export function serviceAccount() {
  return serviceAccountFields.superRefine((value, context) => {
    for (const [key, isGoogles] of Object.entries(googleUrls)) {
      const url = value[key as keyof typeof value];
      if (url !== undefined && !isGoogles(url, value.universeDomain ?? GOOGLE_DOMAIN)) {
        context.addIssue({
          code: 'custom',
          path: [key],
          ...issue('INVALID_VALUE', 'Only the URL that Google’s own key files hold is taken.'),
        });
      }
    }
  });
}

export type ServiceAccount = z.output<typeof serviceAccountFields>;
