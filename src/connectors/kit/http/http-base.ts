import { endpointChecks } from '../checks/endpoint.ts';
import type { Check, Target, TestContext } from '../contract/connector.ts';
import { ALPN, HttpClient, type HttpClientOptions } from './client.ts';

/** What the checks of one test share over HTTP. `Added` is what some of them leave for others: a token, say. */
export type HttpState<Added extends object = object> = { readonly http: HttpClient } & Partial<Added>;

/** What every connector has that talks HTTP to one host: its targets, the checks of the endpoint before its own, the life of its client. */
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
