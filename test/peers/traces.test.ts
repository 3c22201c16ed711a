import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { goPrograms, startGoProgram } from '../support/peers/go-programs.ts';
import { describePeer } from '../support/peers/installed.ts';
import { closedPort } from '../support/peers/tarpit.ts';

/** As the program tells them. */
interface Span {
  readonly Service: string;
  readonly TraceID: string;
  readonly SpanID: string;
  readonly ParentSpanID: string;
  readonly Name: string;
  readonly Kind: string;
  readonly Status: string;
  readonly Start: number;
  readonly End: number;
  readonly Attributes: Readonly<Record<string, unknown>>;
}

describePeer('OpenTelemetry’s collector', goPrograms('otlp'), () => {
  test('reads the spans as they are meant', async () => {
    const { line, stop } = await startGoProgram('otlp', {});
    onTestFinished(stop);
    const collector = `http://127.0.0.1:${line}`;
    const resource = { 'service.name': 'gäteway' };
    const traces = { url: `${collector}/v1/traces`, headers: {}, resource, ratio: 1, gatherMs: 20 };
    const gateway = await startGateway({ traces });
    onTestFinished(() => gateway.close());
    const environmentId = await apiOf(gateway).newEnvironment();
    const config = { postgres: postgresConfig({ port: await closedPort() }) };
    const traceId = randomUUID().replaceAll('-', '');
    const query = 'mutation ($input: CreateDatastoreInput!) { createDatastore(input: $input) { __typename } }';
    const before = Date.now();
    const answer = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${gateway.token}`,
        traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
      },
      body: JSON.stringify({ query, variables: { input: { environmentId, name: 'traced', config, test: {} } } }),
    });
    expect(answer.status).toBe(200);
    let spans: Span[] = [];
    await eventually(async () => {
      const all = (await (await fetch(`${collector}/spans`)).json()) as Span[];
      spans = all.filter(({ TraceID }) => TraceID === traceId);
      return spans.some(({ Name }) => Name === 'POST /graphql');
    });
    const named = Object.fromEntries(spans.map((span) => [span.Name, span]));
    const chain = [
      'POST /graphql',
      'mutation createDatastore',
      'test POSTGRES',
      'executor',
      'postgres/endpoint/connect',
    ];
    let above = '00f067aa0ba902b7';
    for (const name of chain) {
      expect(named[name], name).toMatchObject({ ParentSpanID: above, Service: 'gäteway' });
      above = named[name]?.SpanID ?? '';
    }
    expect(named['POST /graphql']).toMatchObject({ Kind: 'Server', Status: 'Unset' });
    expect(named['POST /graphql']?.Attributes['http.response.status_code']).toBe(200);
    expect(named['test POSTGRES']).toMatchObject({ Kind: 'Consumer', Status: 'Error' });
    expect(named['postgres/endpoint/connect']?.Attributes).toEqual({
      'datastore_gateway.check.status': 'FAILED',
      'datastore_gateway.check.cause': 'CONNECTION_REFUSED',
      'error.type': 'CONNECTION_REFUSED',
    });
    const after = Date.now();
    for (const { Start, End } of spans) {
      expect(Start / 1e6).toBeGreaterThan(before - 1_000);
      expect(End).toBeGreaterThanOrEqual(Start);
      expect(End / 1e6).toBeLessThan(after + 1_000);
    }
  });
});
