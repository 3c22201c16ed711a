import { setTimeout as sleep } from 'node:timers/promises';
import { type AnswerError, type Gateway, postOperation, readAnswer } from '../../platform/ask-gateway.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';

/** How long an answer may take: what is asked for is small, and waiting longer would cost a lease. */
const ANSWER_MS = 10_000;
/** How long a stream may be silent: the gateway sends something every 12 s. */
const SILENT_MS = 30_000;
/** The longest event of a stream, in characters. */
const LONGEST_EVENT = 1024 * 1024;
const FOR_GOOD = ['UNAUTHENTICATED', 'FORBIDDEN'];
/** What a gateway says of a request that it will never take. */
const WRONG = [
  'BAD_REQUEST',
  'BAD_USER_INPUT',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'PAYLOAD_TOO_LARGE',
  'QUERY_TOO_COMPLEX',
];

/** The gateway cannot be asked just now: later it may. */
export class GatewayAwayError extends Error {
  override readonly name = 'GatewayAwayError';
}

/** The gateway refuses the token for good. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError';
}

/** What the gateway knows is not what is asked about. */
export class UnknownWorkerError extends Error {
  override readonly name = 'UnknownWorkerError';
}

interface UserErrorAnswer {
  readonly code?: string;
  readonly message?: string;
}

/** Asks a gateway by GraphQL, and tells the log once that it is away and once that it is back. */
export class GatewayClient {
  readonly #gateway: Gateway;
  readonly #logger: Logger;
  #awaySince: number | undefined;

  constructor(gateway: Gateway, logger: Logger) {
    this.#gateway = gateway;
    this.#logger = logger;
  }

  /**
   * Runs a mutation with one field.
   * @throws GatewayAwayError, TokenRefusedError, UnknownWorkerError; any other Error when it will never be taken
   */
  async ask<Result>(query: string, input: object): Promise<Result> {
    const until = AbortSignal.timeout(ANSWER_MS);
    const { data, errors } = await this.#reaching(async () => {
      const response = await postOperation(this.#gateway, { query, variables: { input } }, 'application/json', until);
      return readAnswer(response, this.#gateway.url);
    });
    if (errors?.[0]) throw this.#errorOf(errors[0]);
    const [result] = Object.values(data ?? {}) as (Result & UserErrorAnswer)[];
    if (result == null) throw new GatewayAwayError('The gateway has answered nothing.');
    this.#isBack();
    if (result.code === 'NOT_FOUND') throw new UnknownWorkerError('The gateway does not know this worker.');
    if (result.code !== undefined) throw new Error(result.message ?? result.code);
    return result;
  }

  /** Follows a subscription with one field over SSE, until it ends or breaks off. @throws as ask() does */
  async *follow<Event>(query: string, variables: object, signal: AbortSignal): AsyncGenerator<Event> {
    const broken = new AbortController();
    const silence = setTimeout(() => broken.abort(), SILENT_MS);
    const until = AbortSignal.any([signal, broken.signal]);
    try {
      const response = await this.#reaching(
        () => postOperation(this.#gateway, { query, variables }, 'text/event-stream', until),
        signal,
      );
      if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
        const { errors } = await this.#reaching(() => readAnswer(response, this.#gateway.url));
        throw errors?.[0] ? this.#errorOf(errors[0]) : new GatewayAwayError('The gateway sends no events.');
      }
      for await (const text of this.#blocks(response, silence, signal)) {
        const data = /^data: ?(.+)$/m.exec(text)?.[1];
        if (data === undefined || !/^event: ?next$/m.test(text)) continue;
        const answer = JSON.parse(data) as { data?: Record<string, Event>; errors?: AnswerError[] };
        if (answer.errors?.[0]) throw this.#errorOf(answer.errors[0]);
        this.#isBack();
        yield* Object.values(answer.data ?? {});
      }
    } finally {
      clearTimeout(silence);
      broken.abort();
    }
  }

  async *#blocks({ body }: Response, silence: NodeJS.Timeout, signal: AbortSignal): AsyncGenerator<string> {
    if (!body) return;
    const decoder = new TextDecoder();
    let rest = '';
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await this.#reaching(() => reader.read(), signal);
      if (done) return;
      silence.refresh();
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      if (rest.length > LONGEST_EVENT) throw new GatewayAwayError('The gateway sends an event that never ends.');
      yield* blocks;
    }
  }

  /** `signal` aborts what the worker itself wants no more. */
  async #reaching<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!signal?.aborted) this.#isAway(error);
      throw new GatewayAwayError('The gateway cannot be asked just now.', { cause: error });
    }
  }

  /** Whatever is not for good may be otherwise in a moment: UNAVAILABLE, RATE_LIMITED, a fault that is being mended. */
  #errorOf({ message, extensions }: AnswerError): Error {
    const code = extensions?.code ?? '';
    if (FOR_GOOD.includes(code)) return new TokenRefusedError(message);
    if (code === 'NOT_FOUND') return new UnknownWorkerError(message);
    if (WRONG.includes(code)) return new Error(message);
    const error = new GatewayAwayError(message);
    this.#isAway(error);
    return error;
  }

  #isAway(error: unknown): void {
    if (this.#awaySince !== undefined) return;
    this.#awaySince = performance.now();
    this.#logger.warn({ err: error }, 'the gateway cannot be asked: what runs goes on, and is told when it can');
  }

  #isBack(): void {
    if (this.#awaySince === undefined) return;
    const awayMs = Math.round(performance.now() - this.#awaySince);
    this.#awaySince = undefined;
    this.#logger.info({ awayMs }, 'the gateway can be asked again');
  }
}

/** A pause that an abort ends. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
