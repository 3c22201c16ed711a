import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { closedPort } from '../support/peers/tarpit.ts';

const kinds = ['environment', 'datastore', 'connection test'] as const;
type Kind = (typeof kinds)[number];

describeEachGateway('an id that a client chooses', (open) => {
  let gateway: TestGateway;
  let environmentId: string;
  let port: number;

  const ask = async (query: string, input: object): Promise<string> => {
    const { json } = await gateway.send({ query, variables: { input } });
    return (Object.values(json.data ?? {})[0] as { __typename: string }).__typename;
  };
  const make = (kind: Kind, id: string): Promise<string> => {
    const config = { postgres: postgresConfig({ port }) };
    switch (kind) {
      case 'environment':
        return ask('mutation ($input: CreateEnvironmentInput!) { createEnvironment(input: $input) { __typename } }', {
          id,
          name: `e ${randomUUID()}`,
        });
      case 'datastore':
        return ask('mutation ($input: CreateDatastoreInput!) { createDatastore(input: $input) { __typename } }', {
          id,
          environmentId,
          config,
        });
      case 'connection test':
        return ask(
          'mutation ($input: StartConnectionTestInput!) { startConnectionTest(input: $input) { __typename } }',
          {
            target: { draft: { environmentId, config } },
            options: { testId: id },
          },
        );
    }
  };

  beforeAll(async () => {
    gateway = await open();
    port = await closedPort();
    const { json } = await gateway.send({ query: '{ environments { nodes { id } } }' });
    environmentId = (json.data as { environments: { nodes: [{ id: string }] } }).environments.nodes[0].id;
  });

  test.each(kinds.flatMap((first) => kinds.map((second) => [first, second] as const)))(
    'for a %s is no %s’s any more',
    async (first, second) => {
      const id = randomUUID();
      expect(await make(first, id)).toMatch(/Success$/);
      expect(await make(second, id)).toBe('ConflictError');
    },
  );

  test('is only one of theirs, however many ask for it at once', async () => {
    const id = randomUUID();
    const made = await Promise.all([...kinds, ...kinds].map((kind) => make(kind, id)));
    expect(made.filter((name) => name.endsWith('Success'))).toHaveLength(1);
    expect(made.filter((name) => name === 'ConflictError')).toHaveLength(made.length - 1);
  });
});
