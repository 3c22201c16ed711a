import { endpointChecks } from '../checks/endpoint.ts';
import type { Check, Target, TestContext } from '../contract/connector.ts';
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
