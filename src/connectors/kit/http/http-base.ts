import { endpointChecks } from '../checks/endpoint.ts';
import type { Check, CheckContext, Ending, Target, TestContext } from '../contract/connector.ts';
import { ALPN, HttpClient, type HttpClientOptions } from './client.ts';

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
