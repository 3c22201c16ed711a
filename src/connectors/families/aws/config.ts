import { issue, secret } from '../../kit/config/marks.ts';
import { headerText } from '../../kit/config/text.ts';

/** The three fields of an access key, as all types of AWS have them. */
export const awsKeyFields = {
  accessKeyId: headerText(256)
    .refine((id) => !/[/,=]/.test(id), issue('INVALID_FORMAT', 'An access key id has no slash, comma or equals sign.'))
    .meta({ title: 'Access key id', description: 'At most 256 characters. Example: AKIAIOSFODNN7EXAMPLE' }),
  secretAccessKey: secret(headerText(1024))
    .optional()
    .meta({ title: 'Secret access key', description: 'Belongs to the access key id. Secret.' }),
  sessionToken: secret(headerText(8192))
    .optional()
    .meta({ title: 'Session token', description: 'For temporary credentials. Secret.' }),
};
