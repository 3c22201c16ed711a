import { randomUUID } from 'node:crypto';
import { targetOfUrl } from '../../connectors/kit/config/url.ts';
import type { CheckEvent, Executor, JudgedTarget, TargetVerdict } from '../../executor/executor.ts';

/** How long a receiver has from the look-up of its name to the end of its answer. */
export const DEADLINE_MS = 10_000;
/** How long the name of a new webhook's host may take to resolve. */
const JUDGE_TIMEOUT_MS = 5_000;
const SEND = 'webhook/message/send';
const CLEAR_TEXT = 'The URL begins with http://, and EGRESS_ALLOW does not name its host any more.';

/** A message on its way: all of it is public, but for what the URL may tell. */
export interface OutgoingMessage {
  readonly environmentId: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What came of sending a message: what the receiver answered, or why it did not. */
export type SendResult =
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'failed'; readonly error: string }
  /** The gateway stops. It may have been sent. */
  | { readonly kind: 'stopped' };

/** Whether the operator has named a place in EGRESS_ALLOW. */
export type IsNamed = (host: string, port: number) => boolean;

/** Sends messages by the executor, which judges where they go as it does for tests. */
export class WebhookSender {
  readonly #executor: Pick<Executor, 'run' | 'judgeTargets'>;
  readonly #isNamed: IsNamed;

  constructor(executor: Pick<Executor, 'run' | 'judgeTargets'>, isNamed: IsNamed) {
    this.#executor = executor;
    this.#isNamed = isNamed;
  }

  /** Tells whether a URL may be sent to as far as its scheme goes: in clear text only where the operator wants it. */
  takesScheme(url: string): boolean {
    const { host, port } = placeOf(url);
    return url.startsWith('https:') || this.#isNamed(host, port);
  }

  /** Tells whether the gateway may connect to where a URL leads now. */
  async judge(url: string): Promise<TargetVerdict['verdict']> {
    const target: JudgedTarget = { ...placeOf(url), path: 'url' };
    const [judged] = await this.#executor.judgeTargets([target], JUDGE_TIMEOUT_MS);
    return judged?.verdict ?? 'unjudged';
  }

  /** Sends a message once. Never rejects, and settles within eleven seconds. */
  async send({ environmentId, url, headers, body }: OutgoingMessage, signal: AbortSignal): Promise<SendResult> {
    if (!this.takesScheme(url)) return { kind: 'failed', error: CLEAR_TEXT };
    let status: number | undefined;
    const onEvent = (event: CheckEvent) => {
      if (event.kind === 'ended' && event.name === SEND) status = statusOf(event);
    };
    const job = {
      testId: randomUUID(),
      environmentId,
      type: 'WEBHOOK',
      config: { url, headers, body, tls: { mode: 'VERIFY_FULL' } },
      secrets: [],
      checks: planOf(url),
      timeoutMs: DEADLINE_MS,
    };
    const { failure } = await this.#executor.run(job, onEvent, signal);
    // an answer counts even if the gateway has begun to stop
    if (status !== undefined) return { kind: 'answered', status };
    if (signal.aborted) return { kind: 'stopped' };
    return { kind: 'failed', error: failure ? `${failure.code}: ${failure.message}` : 'There was no answer.' };
  }
}

function placeOf(url: string): { host: string; port: number } {
  const { host, port } = targetOfUrl(url, { mode: 'VERIFY_FULL' }, { hostPath: 'url' });
  return { host, port };
}

/** The checks that lead to the message, in their order. */
function planOf(url: string): string[] {
  const handshake = url.startsWith('https:') ? ['webhook/tls/handshake'] : [];
  return ['webhook/endpoint/resolve', 'webhook/endpoint/connect', ...handshake, SEND];
}

function statusOf({ evidence }: Extract<CheckEvent, { kind: 'ended' }>): number | undefined {
  const status = Number(evidence.find(({ name }) => name === 'status')?.value);
  return Number.isInteger(status) ? status : undefined;
}
