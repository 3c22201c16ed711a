import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configKey } from '../../src/connectors/kit/contract/connector.ts';
import failures from '../../src/modules/connectors/failures.json' with { type: 'json' };
import { apiOf } from './api.ts';
import { type Cause, type StartedStand, startStand } from './fault-matrix.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { type Changes, changed, type OwnCause, type Stand } from './stands/stand.ts';
import { authority } from './use-stand.ts';

interface Printed {
  readonly wrong: string;
  readonly code: string;
  readonly configPath: string | null;
}

/**
 * Has a server that we did not write show causes of the fault matrix: each comes to what the matrix has printed of the
 * fake, and with nothing wrong the stand works, through a bastion too.
 */
export function describeCauses(stand: Stand, causes: readonly Cause[]): void {
  const { type, config } = stand.connector;

  describe('as the fault matrix has it', () => {
    let started: StartedStand;
    beforeAll(async () => {
      started = await startStand(stand);
    });
    afterAll(() => started?.close());

    const ways = ['directly', ...('sshTunnel' in config.shape ? (['through a tunnel'] as const) : [])] as const;
    test.each(ways)('works %s', async (way) => {
      expect(await started.works(way)).toMatchObject({ failure: null });
    });

    test.each(causes)('%s', async (cause) => {
      const { failure } = await started.tries(cause);
      expect({ code: failure?.code, configPath: failure?.configPath }).toEqual(printedOf(type, cause));
    });
  });
}

/**
 * The same through a gateway that runs, as far as a config alone brings the causes about. It finds the server by
 * `localhost`, which `placeOf` puts into the config; the certificate is for `serverName`.
 */
export function describeGateway(
  stand: Stand,
  causes: readonly OwnCause[],
  serverName: string,
  placeOf: (port: number) => Changes = (port) => ({ host: 'localhost', port }),
): void {
  const { connector, config, start, trials } = stand;

  describe('through a gateway that runs', () => {
    let gateway: TestGateway;
    let place: Changes;
    beforeAll(async () => {
      gateway = await startGateway();
      const { port } = await start(await authority.issue());
      place = { ...placeOf(port), 'tls.caCertificate': authority.certificate, 'tls.serverName': serverName };
    });
    afterAll(() => gateway?.close());

    async function tested(changes: Changes = {}) {
      const api = apiOf(gateway);
      const whole = { [configKey(connector)]: changed(config, { ...place, ...changes }) };
      const draft = { environmentId: await api.newEnvironment(), config: whole as never };
      return api.ended((await api.testStarted({ target: { draft } })).id);
    }

    test('works', async () => {
      expect(await tested()).toMatchObject({ status: 'PASSED', failure: null });
    });

    test.each(causes)('%s', async (cause) => {
      const trial = trials[cause];
      const { status, failure } = await tested('never' in trial ? {} : trial.change);
      expect(status).toBe('FAILED');
      expect(failure).toMatchObject(printedOf(connector.type, cause));
    });
  });
}

/** What docs/fault-matrix.md has of a cause. */
function printedOf(type: string, cause: Cause): Pick<Printed, 'code' | 'configPath'> {
  const all: Readonly<Record<string, readonly Printed[]>> = failures;
  const printed = all[type]?.find(({ wrong }) => wrong === cause);
  if (!printed) throw new Error(`${type} has nothing printed of "${cause}".`);
  return { code: printed.code, configPath: printed.configPath };
}
