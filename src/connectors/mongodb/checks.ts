import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import { type Check, type Dialer, type Ending, required } from '../kit/contract/connector.ts';
import { explainNetworkError } from '../kit/contract/explain.ts';
import { Failure } from '../kit/contract/failure.ts';
import { listOf } from '../kit/http/answers.ts';
import { collectionColumns, collectionsOf } from './catalog.ts';
import type { MongodbConfig } from './config.ts';
import { explainMongodb } from './failures.ts';
import { type MongodbContext, type MongodbServer, type MongodbState, serverChecks, targetOf } from './servers.ts';
import { answer, type MongoSession, signInToMongodb } from './session.ts';
import { MongoError } from './wire.ts';

type MongodbCheck = Check<MongodbConfig, MongodbState>;

const DATABASES = z.object({ databases: listOf(z.object({ name: z.string() })) });
const WRITTEN = z.object({ n: z.int(), writeErrors: listOf(z.object({ code: z.int() })).optional() });

const authenticate: MongodbCheck = authenticateCheck(
  'The server takes the user name and the password, or the client certificate. When neither is given, it asks for no sign-in.',
  async (context) => {
    const { config, link, state } = context;
    const session = await signIn(config, () => signInToMongodb(link.take(), config));
    state.session = session;
    context.onEnd((ending) => endCursor(context, session, ending));
    const { hello, server, mechanism } = session;
    return { evidence: { server, user: config.username, mechanism, replicaSet: hello.setName } };
  },
);

const selectDatabase: MongodbCheck = {
  name: 'database/select',
  title: 'Find the database',
  description:
    'The database exists, which on MongoDB means that it has a collection. The user needs the right to list the collections in it, as the role read has.',
  async run(context) {
    const { database } = context.config;
    const { collections } = await countCollections(context);
    if (collections === 0 && !(await isListed(context))) {
      throw new Failure('DATABASE_NOT_FOUND', {
        configPath: 'database',
        hint: 'Check `database`; upper and lower case differ. MongoDB makes a database when something is first stored in it.',
      });
    }
    return { evidence: { database } };
  },
};

const listCollections: MongodbCheck = {
  name: 'collections/list',
  title: 'List the collections',
  description: 'The collections and views of the database that the user may see can be listed.',
  async run(context) {
    return { evidence: await countCollections(context) };
  },
};

const insertDocument: MongodbCheck = {
  name: 'document/insert',
  title: 'Insert a document',
  description:
    'A document can be inserted into a new collection with a unique name, which is then dropped again. The user needs the role readWrite on the database.',
  runsByDefault: false,
  writes: true,
  async run(context) {
    const { database } = context.config;
    const session = await primarySession(context);
    const collection = `dsg_test_${randomUUID().replaceAll('-', '')}`;
    const over = context.onEnd((ending) => dropAnew(context, collection, ending), `The collection ${collection}`);
    const documents = [{ written: 'by a connection test' }];
    const reply = await session.write(database, { insert: collection, documents }).catch((error: unknown) => {
      if (error instanceof MongoError) over();
      throw error;
    });
    // the collection is dropped whatever became of the document
    await session.write(database, { drop: collection });
    over();
    const { n, writeErrors } = answer(WRITTEN, reply);
    if (n !== 1) throw new MongoError(writeErrors?.[0]?.code ?? 0, 'nothing was written');
    return { evidence: { written: true, removed: true } };
  },
};

export const mongodbChecks: readonly MongodbCheck[] = [
  ...serverChecks,
  authenticate,
  selectDatabase,
  listCollections,
  insertDocument,
  tenancyCheck(async (context, { schema, table }) => {
    try {
      return await collectionColumns(sessionOf(context), schema, table);
    } catch (error) {
      throw explainMongodb(error, context.config) ?? error;
    }
  }),
];

/** The session that session/authenticate has made. */
export function sessionOf({ state }: MongodbContext): MongoSession {
  return required(state.session, 'session/authenticate');
}

/**
 * The session with a server that takes writes. With srv it is one with the primary, if that is one of the servers that
 * the records list.
 */
async function primarySession(context: MongodbContext): Promise<MongoSession> {
  const { config, state, dialer } = context;
  const { hello } = sessionOf(context);
  const isPrimary = ({ host, port }: MongodbServer) => `${host}:${port}` === hello.primary?.toLowerCase();
  const primary = state.servers?.find(isPrimary);
  if (hello.ismaster || !primary) return sessionOf(context);
  state.primaryServer = primary;
  state.primary = await signInAt(primary, config, dialer);
  return state.primary;
}

async function signInAt({ host, port }: MongodbServer, config: MongodbConfig, dialer: Dialer): Promise<MongoSession> {
  const socket = await dialer.dial(host, port);
  const secured = config.tls.mode === 'DISABLE' ? socket : (await dialer.secure(socket, host, config.tls)).socket;
  return signIn(config, () => signInToMongodb(secured, config));
}

/** Does something over a new connection to a server that the test has come to. */
async function anew(
  { config, state }: MongodbContext,
  { dialer }: Ending,
  work: (session: MongoSession) => Promise<unknown>,
  server: MongodbServer = state.server ?? targetOf(config),
): Promise<void> {
  const session = await signInAt(server, config, dialer);
  try {
    await work(session);
  } finally {
    session.close();
  }
}

/**
 * Ends the cursor that an aborted test has left, which the server would keep for ten minutes. A command that runs on
 * needs no killOp: since 4.2 a server ends it when its connection closes, before that `maxTimeMS` does.
 */
async function endCursor(context: MongodbContext, session: MongoSession, ending: Ending): Promise<void> {
  const cursor = context.signal.aborted ? session.openCursor() : undefined;
  if (cursor) await anew(context, ending, (other) => other.killCursor(cursor));
}

/** Drops what the check has made but not dropped. */
function dropAnew(context: MongodbContext, collection: string, ending: Ending): Promise<void> {
  const drop = async (session: MongoSession) => {
    try {
      await session.write(context.config.database, { drop: collection });
    } catch (error) {
      if (!(error instanceof MongoError && error.code === NOT_THERE)) throw error;
    }
  };
  return anew(context, ending, drop, context.state.primaryServer);
}

const NOT_THERE = 26;

async function signIn(config: MongodbConfig, attempt: () => Promise<MongoSession>): Promise<MongoSession> {
  try {
    return await attempt();
  } catch (error) {
    const hint = silentRefusal(config);
    if (hint === undefined || explainNetworkError(error)?.report.code !== 'CONNECTION_LOST') throw error;
    throw new Failure('CONNECTION_LOST', { error, hint });
  }
}

/** The hint about what a server may dislike when it ends the connection without a word. */
function silentRefusal({ tls }: MongodbConfig): string | undefined {
  if (tls.mode === 'DISABLE') return 'A server that takes only TLS does so: try tls.mode REQUIRE or stronger.';
  if (tls.clientCertificate)
    return 'A server that refuses the client certificate does so: check tls.clientCertificate.';
  return undefined;
}

async function countCollections(context: MongodbContext): Promise<{ collections: number; views: number }> {
  let collections = 0;
  let views = 0;
  for await (const some of collectionsOf(sessionOf(context), context.config.database)) {
    for (const { type } of some) type === 'view' ? views++ : collections++;
  }
  return { collections, views };
}

async function isListed(context: MongodbContext): Promise<boolean> {
  const { database } = context.config;
  const command = { listDatabases: 1, nameOnly: true, filter: { name: database } };
  const { databases } = answer(DATABASES, await sessionOf(context).read('admin', command));
  return databases.some(({ name }) => name === database);
}
