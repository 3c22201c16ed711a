import type { Actor } from '../../platform/journal/journal.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import type { AccessService } from '../access/service.ts';
import type { RefusalLog } from './refusals.ts';

/** Under this name stands what somebody does whom the gateway does not know. No token is called so. */
const unknownCaller: Actor = { name: 'unknown caller', onBehalfOf: null };

/** What somebody wanted to sign in with who was refused. */
export type SignInMeans = 'link' | 'provider';

const reasons: Readonly<Record<SignInMeans, string>> = {
  link: 'The code of a sign-in link was used, is too old, or was never given.',
  provider: 'The OpenID provider does not take the code, or its token is not good here.',
};

/** Takes down who was not let in: nothing of an unknown token or of a code, whose it is of one that was good once. */
export class RefusedSignIns {
  readonly #refusals: RefusalLog;
  readonly #access: Pick<AccessService, 'refused'>;
  readonly #logger: Logger;

  constructor(refusals: RefusalLog, access: Pick<AccessService, 'refused'>, logger: Logger) {
    this.#refusals = refusals;
    this.#access = access;
    this.#logger = logger;
  }

  /** A bearer token of the gateway's own, unknown, expired or revoked. */
  token(token: string): void {
    this.#noteToken(token).catch((error: unknown) =>
      this.#logger.error({ err: error }, 'a refused token could not be entered in the audit log'),
    );
  }

  /** A token of an OpenID provider that is not good here: who asks is not known. */
  personToken(): void {
    this.#note(unknownCaller, '', 'The token is none of the OpenID provider’s that is good here.');
  }

  code(means: SignInMeans): void {
    this.#note(unknownCaller, '', reasons[means]);
  }

  async #noteToken(token: string): Promise<void> {
    const known = await this.#access.refused(token);
    if (!known) return this.#note(unknownCaller, '', 'The token is unknown.');
    const { actor, tokenId } = known.access;
    this.#note(actor, tokenId, known.isRevoked ? 'The token was revoked.' : 'The token has expired.');
  }

  #note(actor: Actor, subjectId: string, reason: string): void {
    this.#refusals.note({ actor, action: 'sign_in', subjectType: 'token', subjectId, reason });
  }
}
