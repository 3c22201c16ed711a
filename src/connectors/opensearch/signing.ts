import { z } from 'zod';
import { awsQueryString, hostHeader, signAwsRequest } from '../families/aws/signing.ts';
import { type AwsSigned, type AwsSigner, identityPath, ofRole, signerIdentity } from '../families/aws/sts.ts';
import type { ElasticSigner } from '../families/elastic/client.ts';
import { elasticTarget } from '../families/elastic/config.ts';
import { Failure } from '../kit/contract/failure.ts';
import { jsonIfAny } from '../kit/http/answers.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import { isServerless, type OpensearchConfig, signerOf } from './config.ts';

/** What signs the requests of a config, with the credentials that `state` has when they are sent. */
export function elasticSigner(config: OpensearchConfig, state: AwsSigned): ElasticSigner | undefined {
  const signer = signerOf(config);
  if (!signer) return undefined;
  const service = isServerless(config) ? 'aoss' : 'es';
  return {
    path: identityPath(signer),
    isServerless: isServerless(config),
    async sign(request) {
      const { path, query } = partsOf(request);
      const { method, headers, body } = request;
      const text = body === undefined ? undefined : Buffer.from(body).toString();
      const unsigned = { method, host: hostHeader(elasticTarget(config)), path, query, headers, body: text };
      const scope = { region: signer.region, service };
      const signed = await signAwsRequest(unsigned, signerIdentity(signer, state), scope);
      // the query goes out in the form in which it is signed
      return { ...request, path: path + awsQueryString(query), headers: signed };
    },
    refusal: (response) => refusalOf(response, signer, service),
  };
}

function partsOf({ path: whole }: HttpRequest): { readonly path: string; readonly query: Record<string, string> } {
  const [path = '', ...query] = whole.split('?');
  return { path, query: Object.fromEntries(new URLSearchParams(query.join('?'))) };
}

/** How AWS refuses a request before OpenSearch is asked: in words alone, of which none is shown. */
const WORDS = z.object({ message: z.string().optional(), Message: z.string().optional() });
/** How a collection refuses, whatever the reason. */
const FORBIDDEN = z.object({ status: z.literal(403), error: z.object({ type: z.literal('Forbidden') }) });

const COLLECTION_HINT =
  'The collection does not say why: check the key and the region, and that who signs may call aoss:APIAccessAll and has a data access policy for the collection.';

function refusalOf(response: HttpResponse, signer: AwsSigner, service: string): Failure | undefined {
  if (response.status !== 403) return undefined;
  const path = identityPath(signer);
  if (service === 'aoss' && jsonIfAny(response, FORBIDDEN))
    return new Failure('PERMISSION_DENIED', { configPath: path, hint: COLLECTION_HINT });
  const { message, Message } = jsonIfAny(response, WORDS) ?? {};
  const failure = ofWords(message ?? Message ?? '');
  return failure && ofRole(failure, signer);
}

function ofWords(words: string): Failure | undefined {
  if (/^Signature (expired|not yet current)/.test(words)) return new Failure('CLOCK_SKEW');
  if (/Credential should be scoped to/.test(words)) {
    const hint = 'Check `awsSigV4.region` and `awsSigV4.service`: the endpoint is of other ones.';
    return new Failure('WRONG_REGION', { configPath: 'awsSigV4.region', hint });
  }
  if (/security token .* expired/.test(words)) {
    const hint = 'Give new temporary credentials.';
    return new Failure('TOKEN_EXPIRED', { configPath: 'awsSigV4.sessionToken', hint });
  }
  if (/security token .* invalid/.test(words)) {
    const hint =
      'AWS does not know this access key id, or it needs its session token: check `awsSigV4.accessKeyId` and `awsSigV4.sessionToken`.';
    return new Failure('KEY_REFUSED', { configPath: 'awsSigV4.accessKeyId', hint });
  }
  if (/signature we calculated does not match/.test(words)) {
    const hint =
      'The signature is wrong: check that `awsSigV4.secretAccessKey` belongs to `awsSigV4.accessKeyId`, and that no proxy changes the Host header or the path.';
    return new Failure('KEY_REFUSED', { configPath: 'awsSigV4.secretAccessKey', hint });
  }
  if (/is not authorized to perform: (es|aoss):/.test(words)) {
    const hint = 'Allow es:ESHttp* on the domain, in a policy of who signs or in the access policy of the domain.';
    return new Failure('PERMISSION_DENIED', { configPath: 'awsSigV4.accessKeyId', hint });
  }
  return undefined;
}
