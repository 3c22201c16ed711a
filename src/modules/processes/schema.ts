import type DataLoader from 'dataloader';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { ConnectionTestRef } from '../connection-tests/schema.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import type { Process, ProcessKind } from './process.ts';
import type { ProcessService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly processes: ProcessService;
  }
  interface Loaders {
    readonly runningTests: DataLoader<string, readonly ConnectionTest[]>;
  }
}

const ProcessKindRef = builder.enumType('ProcessKind', {
  description: 'What a process is.',
  values: {
    GATEWAY: { description: '`serve` or `start`: it answers requests, and takes connection tests unless told not to.' },
    WORKER: { description: '`worker` on the database of the gateways.' },
    REMOTE_WORKER: { description: '`worker --gateway`: it takes connection tests from a gateway.' },
  } satisfies Record<ProcessKind, { description: string }>,
});

const ProcessRef = builder.objectRef<Process>('Process').implement({
  description:
    'A process that serves or takes connection tests. It tells every 5 seconds that it lives; one that stops is gone at once, one that died an hour later.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID, a new one at each start.' }),
    kind: t.field({ type: ProcessKindRef, description: 'What it is.', resolve: ({ kind }) => kind }),
    host: t.exposeString('host', { description: 'The name of its machine, as that machine has it.' }),
    version: t.exposeString('version', { description: 'The version of the gateway that it runs.' }),
    network: t.exposeString('network', {
      nullable: true,
      description: 'It takes the tests of environments of this network alone; null: of those without one.',
    }),
    capacity: t.exposeInt('capacity', {
      description: 'How many tests it runs at once at most; 0 when it leaves them to others.',
    }),
    running: t.exposeInt('running', { description: 'How many tests it ran when it was seen last.' }),
    tests: t.field({
      type: [ConnectionTestRef],
      description: 'The tests that it runs just now. The token needs DATASTORES_READ.',
      resolve: async ({ id }, _arguments, { loaders }) => [...(await loaders.runningTests.load(id))],
    }),
    startedAt: t.field({
      type: 'DateTime',
      description: 'When it started, by the database’s clock, as all times here.',
      resolve: ({ startedAt }) => startedAt,
    }),
    lastSeenAt: t.field({
      type: 'DateTime',
      description: 'When it told last that it lives.',
      resolve: ({ lastSeenAt }) => lastSeenAt,
    }),
    isAlive: t.boolean({
      description:
        'Whether that was within the last 15 seconds. The tests of one that died are taken by another process then.',
      resolve: (process, _arguments, { services }) => services.processes.isAlive(process),
    }),
    tokenName: t.exposeString('tokenName', {
      nullable: true,
      description: 'The name of the token by which a REMOTE_WORKER asks; null for who reaches the database.',
    }),
  }),
});

const ProcessConnection = connectionType('Process', ProcessRef);

builder.queryField('processes', (t) =>
  t.field({
    type: ProcessConnection,
    description:
      'The processes that serve or take connection tests on this database, the oldest first. The token needs PROCESSES_READ, and to be for all environments.',
    args: { ...pageArguments },
    resolve: (_root, page, { access, services }) => services.processes.list(access, page),
  }),
);
