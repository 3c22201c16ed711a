import { inGroup, secret } from '../../kit/config/marks.ts';
import { headerText, LONGEST_PASSWORD, matching } from '../../kit/config/text.ts';

/** The three fields of an access key, as all types of AWS have them. */
export const awsKeyFields = {
  accessKeyId: inGroup(
    'SIGN_IN',
    matching(headerText(256), /^[^/,=]*$/, 'An access key id has no slash, comma or equals sign.', {
      blanks: true,
      told: '^[!-+\\-.0-<>-~]*$',
    }),
  ).meta({
    title: 'Access key id',
    description: 'The id of the access key, at most 256 characters. Example: AKIAIOSFODNN7EXAMPLE',
  }),
  secretAccessKey: secret(headerText(LONGEST_PASSWORD)).meta({
    title: 'Secret access key',
    description: 'The secret part of the access key, at most 4,096 characters. It is never shown again.',
  }),
  sessionToken: secret(headerText(8192)).optional().meta({
    title: 'Session token',
    description:
      'The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again.',
  }),
};
