import { setTimeout as delay } from 'node:timers/promises';
import { endpointChecks } from '../checks/endpoint.ts';
import type { Check, CheckContext, Ending, Target, TestContext } from '../contract/connector.ts';
import { ALPN, HttpClient, type HttpClientOptions, type HttpResponse } from './client.ts';

/** What the checks of one test share over HTTP. `Added` holds what some of them leave for others, such as a token. */
export type HttpState<Added extends object = object> = { readonly http: HttpClient } & Partial<Added>;

/**
 * What every connector that talks HTTP to one host has: its targets, the checks of the endpoint before its own, and the
 * life of its client.
 */
export function httpBase<Config, Added extends object = object>(
  target: (config: Config) => Target,
  checks: readonly Check<Config, HttpState<Added>>[],
  options?: HttpClientOptions,
) {
  type State = HttpState<Added>;
  return {
    targets: (config: Config): readonly Target[] => [target(config)],
    checks: [...endpointChecks<Config, State>({ target, alpnProtocols: ALPN }), ...checks],
    createState: (test: TestContext<Config>) => ({ http: new HttpClient(test, target(test.config), options) }) as State,
    close: ({ http }: State) => http.close(),
  };
}

/**
 * The context in which a clean-up sends its requests: over the test's own connection, or over a new one where the test
 * was aborted.
 */
export function atEnd<Context extends CheckContext<unknown, HttpState>>(context: Context, ending: Ending): Context {
  if (!context.signal.aborted) return context;
  return { ...context, ...ending, state: { ...context.state, http: context.state.http.afterwards(ending) } };
}

/**
 * Begins something at the server that ends with the test: `end` is called with the answer to what began it, be that
 * later than the test's own end. `over` takes that back, for what has ended by itself.
 */
export async function begin<Context extends CheckContext<unknown, HttpState>, Begun>(
  context: Context,
  start: () => Promise<Begun>,
  end: (context: Context, begun: Begun) => Promise<unknown>,
): Promise<{ readonly begun: Begun; readonly over: () => void }> {
  const starting = start();
  const over = context.onEnd(async (ending) => end(atEnd(context, ending), await starting));
  try {
    return { begun: await starting, over };
  } catch (error) {
    // nothing has begun
    over();
    throw error;
  }
}

/**
 * How long the answer to a write is waited for once the test has ended, in milliseconds: a write that arrives after its
 * removal would stay.
 */
const LAST_WORD_MS = 250;

/**
 * Writes something that the check removes again: `removed` is called once it has. Until then the end of the test has it
 * removed. `send` asks with `begins`; `what` names it for the log: `The object dsg-test`.
 */
export async function write<Context extends CheckContext<unknown, HttpState>>(
  context: Context,
  what: string,
  send: () => Promise<HttpResponse>,
  remove: (context: Context) => Promise<HttpResponse>,
): Promise<{ readonly written: HttpResponse; readonly removed: () => void }> {
  const sending = send();
  const answered = sending.then(
    () => undefined,
    () => undefined,
  );
  const removed = context.onEnd(async (ending) => {
    await Promise.race([answered, delay(LAST_WORD_MS)]);
    const { status } = await remove(atEnd(context, ending));
    if (!isRemoved(status)) throw new Error(`The server answers ${status}.`);
  }, what);
  const written = await sending;
  // nothing was written
  if (written.status >= 400 && written.status < 500) removed();
  return { written, removed };
}

/** Tells whether what an answer to a DELETE is about is not there any more. */
function isRemoved(status: number): boolean {
  return (status >= 200 && status < 300) || status === 404;
}
