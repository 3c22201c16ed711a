import { z } from 'zod';
import { Failure } from '../../kit/contract/failure.ts';
import { jsonIfAny, listOf, ownFailure, refusalEvidence, strangerFailure } from '../../kit/http/answers.ts';
import { methodFailure } from '../../kit/http/challenge.ts';
import type { HttpResponse } from '../../kit/http/client.ts';

const REFUSAL = z.object({
  error: z.object({
    code: z.int(),
    message: z.string().optional(),
    errors: listOf(z.object({ reason: z.string() })).optional(),
    // newer services have a status instead
    status: z.string().optional(),
  }),
});
export type GoogleRefusal = z.output<typeof REFUSAL>['error'];

/** The refusal in an answer that has the form of Google's errors. Undefined for any other: a proxy may have sent it. */
export function googleRefusal(response: HttpResponse): GoogleRefusal | undefined {
  const refusal = jsonIfAny(response, REFUSAL)?.error;
  return refusal?.code === response.status ? refusal : undefined;
}

/**
 * The answer when it is a 2xx. `failureOf` tells what one of Google's own refusals stands for; undefined: what its
 * status does.
 */
export function googleAccepted(
  response: HttpResponse,
  failureOf: (refusal: GoogleRefusal) => Failure | undefined,
): HttpResponse {
  if (response.status >= 200 && response.status < 300) return response;
  const refusal = googleRefusal(response);
  if (!refusal) throw strangerFailure(response);
  const reason = refusal.errors?.[0]?.reason ?? refusal.status;
  const failure = keyFailure(response) ?? policyFailure(refusal) ?? failureOf(refusal);
  throw failure?.with(refusalEvidence(response, reason)) ?? ownFailure(response, reason);
}

function keyFailure(response: HttpResponse): Failure | undefined {
  if (response.status !== 401) return undefined;
  const configPath = 'credentials.privateKey';
  const failure = methodFailure(response, ['bearer'], configPath);
  if (failure) return failure;
  return new Failure('KEY_REFUSED', {
    configPath,
    hint: 'Check that the key belongs to `credentials.clientEmail`, that neither is deleted or disabled, and the gateway’s clock.',
  });
}

/** The failure behind a 403 that no role of the account would mend. Only Google's text tells it from those. */
function policyFailure({ code, message = '' }: GoogleRefusal): Failure | undefined {
  if (code !== 403) return undefined;
  if (/VPC Service Controls|prohibited by organization.s policy/i.test(message))
    return new Failure('PERMISSION_DENIED', {
      hint: 'A policy of the organization (VPC Service Controls) keeps the gateway out: ask its administrator to let it in.',
    });
  if (/billing account/i.test(message))
    return new Failure('PERMISSION_DENIED', {
      hint: 'The project has no billing account that is open: its owner has to link one.',
    });
  return undefined;
}
