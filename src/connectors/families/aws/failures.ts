import { basePath } from '../../kit/config/url.ts';
import { Failure } from '../../kit/contract/failure.ts';

const WRONG_SIGNATURE = 'The signature is wrong: check that `secretAccessKey` belongs to `accessKeyId`';

/**
 * The failure behind a signature that the server does not take. The secret is wrong, or something on the way has
 * changed what is signed: the Host header and the path.
 */
export function signatureFailure({ baseUrl }: { readonly baseUrl?: string | undefined }): Failure {
  if (basePath(baseUrl) !== '')
    return new Failure('KEY_REFUSED', {
      configPath: 'baseUrl',
      hint: `${WRONG_SIGNATURE}, and that no proxy strips the path of \`baseUrl\`: it is signed as the config has it.`,
    });
  const besides = baseUrl === undefined ? '' : ', and that no proxy before the server changes the Host header';
  return new Failure('KEY_REFUSED', { configPath: 'secretAccessKey', hint: `${WRONG_SIGNATURE}${besides}.` });
}
