import type { CompiledQuery, DatabaseConnection, Driver, QueryResult, TransactionSettings } from 'kysely';
import type pg from 'pg';
import { isOutdated } from './database-errors.ts';
import {
  type Answer,
  type Asker,
  type Failure,
  prepareAnew,
  type Statement,
  sendTogether,
  written,
} from './postgres-packet.ts';
import { keptOf, NO_ROW_WRITTEN } from './prepared-statements.ts';

/** How many short reads go over one connection together; more go over others. */
const MOST_TOGETHER = 16;

/**
 * Kysely's driver on pg's pool. A way to Postgres and back costs the process more than anything else that it does for a
 * statement, and so what begins a transaction goes with its first statement, what nobody waits for goes with the next
 * one, and reads that many ask for at a time go together.
 */
export class PostgresPoolDriver implements Driver {
  readonly #pool: pg.Pool;
  readonly #reads: PreparedReads;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
    this.#reads = new PreparedReads(pool);
  }

  async init(): Promise<void> {
    // the pool connects when it is asked for a connection
  }

  async acquireConnection(): Promise<PostgresConnection> {
    return new PostgresConnection(this.#pool, this.#reads);
  }

  async beginTransaction(connection: DatabaseConnection, { isolationLevel }: TransactionSettings): Promise<void> {
    await own(connection).begin(isolationLevel ? `begin isolation level ${isolationLevel}` : 'begin');
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).rollback();
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    own(connection).release();
  }

  async destroy(): Promise<void> {
    await this.#pool.end();
  }
}

function own(connection: DatabaseConnection): PostgresConnection {
  if (!(connection instanceof PostgresConnection)) throw new Error('Not a connection of this driver');
  return connection;
}

/** A transaction, and its connection of the pool. */
interface Transaction {
  readonly client: pg.PoolClient;
  /** What goes with the next statement. */
  readonly deferred: Statement[];
  isBegun: boolean;
  /** Nobody knows what the connection is in the middle of. */
  isBroken: boolean;
}

/** What an asker holds: a connection of the pool while its transaction is open, none otherwise. */
class PostgresConnection implements DatabaseConnection {
  readonly #pool: pg.Pool;
  readonly #reads: PreparedReads;
  #transaction: Transaction | undefined;

  constructor(pool: pg.Pool, reads: PreparedReads) {
    this.#pool = pool;
    this.#reads = reads;
  }

  async begin(sql: string): Promise<void> {
    const client = await this.#pool.connect();
    this.#transaction = { client, deferred: [bare(sql)], isBegun: false, isBroken: false };
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const { sql } = query;
    const values = query.parameters.map(written);
    const { name, isDeferred, isShort, orElse } = keptOf(query);
    if (this.#transaction === undefined) {
      if (name === undefined || !sql.startsWith('select ')) return resultOf(await this.#alone({ sql, values }));
      const statement = { sql, values, name };
      return resultOf(await (isShort ? this.#reads.ask(statement) : this.#reads.askAlone(statement)));
    }
    if (!isDeferred) return resultOf(await this.#within(this.#transaction, { sql, values, name }));
    this.#transaction.deferred.push({ sql, values, name, orElse });
    return { rows: [] };
  }

  async #alone(statement: Statement): Promise<Answer> {
    const client = await this.#pool.connect();
    try {
      return await lastAnswer(client, [statement]);
    } finally {
      client.release();
    }
  }

  async #within(transaction: Transaction, statement: Statement): Promise<Answer> {
    const statements = [...transaction.deferred.splice(0), statement];
    transaction.isBegun = true;
    return lastAnswer(transaction.client, statements);
  }

  async commit(): Promise<void> {
    const { command } = await this.#within(this.#open(), bare('commit'));
    // so Postgres answers after a statement that has failed, whoever passed over that
    if (command === 'ROLLBACK') throw new Error('A statement of the transaction has failed');
  }

  async rollback(): Promise<void> {
    const transaction = this.#open();
    transaction.deferred.length = 0;
    if (!transaction.isBegun) return;
    try {
      await this.#within(transaction, bare('rollback'));
    } catch (error) {
      transaction.isBroken = true;
      throw error;
    }
  }

  #open(): Transaction {
    if (this.#transaction === undefined) throw new Error('No transaction is open');
    return this.#transaction;
  }

  release(): void {
    this.#transaction?.client.release(this.#transaction.isBroken);
    this.#transaction = undefined;
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('Read Postgres in pages: it does not stream');
  }
}

function bare(sql: string): Statement {
  return { sql, values: [] };
}

/**
 * Sends statements that belong together, and gives the answer to the last of them once Postgres is done: what a
 * statement by itself has written is committed behind its answer, which a constraint may refuse.
 */
async function lastAnswer(client: pg.PoolClient, statements: readonly Statement[]): Promise<Answer> {
  try {
    return await new Promise<Answer>((resolve, fail) => {
      let last: Answer;
      const answer: Asker['answer'] = (one) => {
        last = one;
      };
      const askers = statements.map((statement): Asker => ({ statement, answer, fail }));
      sendTogether(client, askers).then((failure) => (failure ? fail(reasonOf(failure)) : resolve(last)), fail);
    });
  } catch (error) {
    if (isOutdated(error)) prepareAnew();
    // where a socket's listener has made it tells nobody anything
    if (error instanceof Error) Error.captureStackTrace(error);
    throw error;
  }
}

/** Why a change has failed: in its own words where it has some. */
function reasonOf({ error, unanswered: [failed] }: Failure): unknown {
  const orElse = failed?.statement.orElse;
  return orElse && (error as { code?: unknown }).code === NO_ROW_WRITTEN ? orElse() : error;
}

function resultOf<Row>({ command, count, rows }: Answer): QueryResult<Row> {
  const hasWritten = /^(INSERT|UPDATE|DELETE|MERGE)$/.test(command);
  return { rows: rows as Row[], ...(hasWritten ? { numAffectedRows: BigInt(count) } : {}) };
}

/**
 * Prepared reads. Short ones go to Postgres together when they are asked for at about the same time: as many as one
 * turn of the event loop brings, or as come while all connections are busy. Each fails alone.
 */
class PreparedReads {
  readonly #pool: pg.Pool;
  readonly #waiting: Asker[] = [];
  #isDue = false;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  ask(statement: Statement): Promise<Answer> {
    return new Promise((answer, fail) => {
      this.#waiting.push({ statement, answer, fail });
      this.#beDue();
    });
  }

  async askAlone(statement: Statement): Promise<Answer> {
    const client = await this.#pool.connect();
    try {
      return await new Promise((answer, fail) => {
        readTogether(client, [{ statement, answer, fail }]).catch(fail);
      });
    } finally {
      client.release();
    }
  }

  #beDue(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => void this.#send());
  }

  async #send(): Promise<void> {
    try {
      const client = await this.#pool.connect();
      this.#isDue = false;
      const askers = this.#waiting.splice(0, MOST_TOGETHER);
      if (this.#waiting.length > 0) this.#beDue();
      const failAll = (error: unknown) => {
        for (const { fail } of askers) fail(error);
      };
      await readTogether(client, askers).catch(failAll);
      client.release();
    } catch (error) {
      this.#isDue = false;
      for (const { fail } of this.#waiting.splice(0)) fail(error);
    }
  }
}

/** Reads what each asks for; what did not come to its turn because one failed is asked for again. */
async function readTogether(client: pg.PoolClient, askers: readonly Asker[]): Promise<void> {
  let [left, isAnew] = [askers, false];
  while (left.length > 0) {
    const failure = await sendTogether(client, left);
    if (failure === undefined) return;
    left = failure.unanswered;
    if (!isAnew && isOutdated(failure.error)) {
      prepareAnew();
      isAnew = true;
    } else {
      left[0]?.fail(failure.error);
      left = left.slice(1);
    }
  }
}
