import { z } from 'zod';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { basePath, targetOfUrl } from '../kit/config/url.ts';
import type { Check, CheckContext, Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { jsonAnswer, jsonIfAny, strangerFailure } from '../kit/http/answers.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import type { KeyholdConfig } from './config.ts';

type KeyholdCheck = Check<KeyholdConfig, HttpState>;

const STORE = z.object({ store: z.literal('keyhold'), version: z.string().regex(/^\d{1,4}\.\d{1,4}$/) });
const BUCKET = z.object({ keys: z.int().nonnegative() });
const REFUSAL = z.object({ refused: z.enum(['token', 'bucket', 'right']) });

const authenticate: KeyholdCheck = authenticateCheck('The store takes the token.', async (context) => {
  const { version } = await ask(context, '/v1', STORE);
  return { evidence: { server: `Keyhold ${version}` } };
});

const getBucket: KeyholdCheck = {
  name: 'bucket/get',
  title: 'Look at the bucket',
  description: 'The bucket exists, and the token may read it.',
  async run(context) {
    const { bucket } = context.config;
    const { keys } = await ask(context, `/v1/buckets/${encodeURIComponent(bucket)}`, BUCKET);
    return { evidence: { bucket, keys } };
  },
};

export const keyholdChecks: readonly KeyholdCheck[] = [authenticate, getBucket];

export function targetOf(config: KeyholdConfig): Target {
  return targetOfUrl(config.baseUrl, config.tls, { hostPath: 'baseUrl' });
}

async function ask<Schema extends z.ZodType>(
  { config, state }: CheckContext<KeyholdConfig, HttpState>,
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const headers: Record<string, string> = config.token === undefined ? {} : { authorization: `Bearer ${config.token}` };
  const response = await state.http.request({ method: 'GET', path: basePath(config.baseUrl) + path, headers });
  if (response.status === 200) return jsonAnswer(response, schema);
  const refusal = response.status >= 400 && response.status < 500 ? jsonIfAny(response, REFUSAL) : undefined;
  if (!refusal) throw strangerFailure(response);
  const evidence = { serverError: refusal.refused };
  if (refusal.refused === 'token') {
    const code = config.token === undefined ? 'CREDENTIALS_REQUIRED' : 'KEY_REFUSED';
    throw new Failure(code, { configPath: 'token', evidence });
  }
  if (refusal.refused === 'right') throw new Failure('PERMISSION_DENIED', { configPath: 'token', evidence });
  throw new Failure('BUCKET_NOT_FOUND', { configPath: 'bucket', evidence });
}
