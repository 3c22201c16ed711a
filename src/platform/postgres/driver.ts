import type { CompiledQuery, DatabaseConnection, Driver, QueryResult, TransactionSettings } from 'kysely';
import type pg from 'pg';
import { isOutdated } from '../database/errors.ts';
import { HeldConnections } from '../database/held-connections.ts';
import { keptOf } from '../database/prepared-statements.ts';
import { type ChainLink, endBefore } from '../journal/chain-link.ts';
import { PostgresChains, placeLinks } from './chains.ts';
import {
  type Answer,
  type Asker,
  answerToLast,
  COMMIT,
  named,
  prepareAnew,
  ROLLBACK,
  reasonOf,
  type Statement,
  sendTogether,
  statementOf,
} from './packet.ts';

/** How many short reads go over one connection together; more go over others. */
const MOST_TOGETHER = 16;

/**
 * Kysely's driver on pg's pool. A way to Postgres and back costs the process more than anything else that it does for a
 * statement, and so what begins a transaction goes with its first statement, what nobody waits for goes with the next
 * one, and reads that many ask for at a time go together.
 */
export class PostgresPoolDriver implements Driver {
  readonly #parts: ConnectionParts;
  /** The connections whose transactions are open: one that has sent nothing has none of the pool's. */
  readonly #held = new HeldConnections();

  constructor(pool: pg.Pool, reads: PreparedReads) {
    this.#parts = { pool, reads, chains: new PostgresChains(pool) };
  }

  async init(): Promise<void> {
    // the pool connects when it is asked for a connection
  }

  async acquireConnection(): Promise<PostgresConnection> {
    this.#held.acquired();
    return new PostgresConnection(this.#parts);
  }

  async beginTransaction(connection: DatabaseConnection, { isolationLevel }: TransactionSettings): Promise<void> {
    own(connection).begin(isolationLevel ? `begin isolation level ${isolationLevel}` : 'begin');
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).rollback();
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    own(connection).release();
    this.#held.released();
  }

  /** Waits for what is asked of it. */
  async destroy(): Promise<void> {
    await this.#held.allReleased();
    await this.#parts.pool.end();
  }
}

interface ConnectionParts {
  readonly pool: pg.Pool;
  readonly reads: PreparedReads;
  readonly chains: PostgresChains;
}

function own(connection: DatabaseConnection): PostgresConnection {
  if (!(connection instanceof PostgresConnection)) throw new Error('Not a connection of this driver');
  return connection;
}

/** Leaves a statement to the next one of its connection's transaction, where nobody waits for it. */
export function leaveToNext(connection: DatabaseConnection, query: CompiledQuery): QueryResult<never> | undefined {
  return own(connection).leavesToNext(query) ? { rows: [] } : undefined;
}

/** A transaction, and its connection of the pool. */
interface Transaction {
  readonly begin: Statement;
  /** Undefined while nothing has been sent. */
  client: pg.PoolClient | undefined;
  /** What goes with the next statement. */
  readonly deferred: Statement[];
  /** What it adds to a chain, where nothing has been sent, and who is rung then. */
  end: { readonly link: ChainLink; readonly rings: Statement[] } | undefined;
  /** Nobody knows what the connection is in the middle of. */
  isBroken: boolean;
}

/** What an asker holds: a connection of the pool from the first statement of a transaction that is waited for. */
class PostgresConnection implements DatabaseConnection {
  readonly #parts: ConnectionParts;
  #transaction: Transaction | undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  begin(sql: string): void {
    this.#transaction = { begin: named(sql), client: undefined, deferred: [], end: undefined, isBroken: false };
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.leavesToNext(query)) return { rows: [] };
    const { isShort, link } = keptOf(query);
    const statement = statementOf(query);
    const transaction = this.#transaction;
    if (transaction === undefined) {
      const { name, sql } = statement;
      if (name === undefined || !sql.startsWith('select ')) return resultOf(await this.#alone(statement));
      const { reads } = this.#parts;
      return isShort ? await reads.ask(statement) : resultOf(await reads.askAlone(statement));
    }
    if (!link) return resultOf(await this.#within(transaction, statement));
    await this.#end(transaction, link);
    return { rows: [] };
  }

  /** Leaves a statement for which nobody waits to the next one. @returns false where that cannot be */
  leavesToNext(query: CompiledQuery): boolean {
    const { isDeferred, isRing, link } = keptOf(query);
    const transaction = this.#transaction;
    if (transaction === undefined) return false;
    const { end } = transaction;
    if (isRing && end) end.rings.push(statementOf(query));
    else if (isDeferred && !end) transaction.deferred.push(statementOf(query));
    else if (link && !end && !transaction.client) transaction.end = { link, rings: [] };
    else return false;
    return true;
  }

  async #alone(statement: Statement): Promise<Answer> {
    const client = await this.#parts.pool.connect();
    try {
      return await lastAnswer(client, [statement]);
    } finally {
      client.release();
    }
  }

  /** Others may end with it where nothing has been sent: then what it needs of the chain's end is theirs as well. */
  async #end(transaction: Transaction, link: ChainLink): Promise<void> {
    if (transaction.end) await this.#place(transaction, transaction.end);
    transaction.end = { link, rings: [] };
    if (transaction.client) await this.#place(transaction, transaction.end);
  }

  async #place(transaction: Transaction, { link, rings }: NonNullable<Transaction['end']>): Promise<void> {
    transaction.end = undefined;
    const { rows } = await this.#within(transaction, statementOf(link.lock(1)));
    const { moves, entries } = placeLinks([link], endBefore(rows, 1));
    transaction.deferred.push(...moves, ...entries, ...rings);
  }

  async #within(transaction: Transaction, statement: Statement): Promise<Answer> {
    if (transaction.end) await this.#place(transaction, transaction.end);
    const isFirst = transaction.client === undefined;
    transaction.client ??= await this.#parts.pool.connect();
    const statements = [...transaction.deferred.splice(0), statement];
    return lastAnswer(transaction.client, isFirst ? [transaction.begin, ...statements] : statements);
  }

  async commit(): Promise<void> {
    const transaction = this.#open();
    if (await this.#isStoredWithOthers(transaction)) return;
    const { command } = await this.#within(transaction, COMMIT);
    // so Postgres answers after a statement that has failed, whoever passed over that
    if (command === 'ROLLBACK') throw new Error('A statement of the transaction has failed');
  }

  async #isStoredWithOthers({ begin, client, deferred, end }: Transaction): Promise<boolean> {
    if (client || !end) return false;
    return this.#parts.chains.store({ begin, statements: deferred, link: end.link, rings: end.rings });
  }

  async rollback(): Promise<void> {
    const transaction = this.#open();
    transaction.deferred.length = 0;
    transaction.end = undefined;
    if (transaction.client === undefined) return;
    try {
      await this.#within(transaction, ROLLBACK);
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
    this.#transaction?.client?.release(this.#transaction.isBroken);
    this.#transaction = undefined;
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('Read Postgres in pages: it does not stream');
  }
}

/** What Postgres answers to the last of some statements that belong together. */
async function lastAnswer(client: pg.PoolClient, statements: readonly Statement[]): Promise<Answer> {
  try {
    const answer = await answerToLast(client, statements);
    if ('error' in answer) throw reasonOf(answer);
    return answer;
  } catch (error) {
    if (isOutdated(error)) prepareAnew();
    // where a socket's listener has made it tells nobody anything
    if (error instanceof Error) Error.captureStackTrace(error);
    throw error;
  }
}

function resultOf<Row>({ command, count, rows }: Answer): QueryResult<Row> {
  const hasWritten = /^(INSERT|UPDATE|DELETE|MERGE)$/.test(command);
  return { rows: rows as Row[], ...(hasWritten ? { numAffectedRows: BigInt(count) } : {}) };
}

/**
 * Prepared reads. Short ones go to Postgres together when they are asked for at about the same time: as many as one
 * turn of the event loop brings, or as come while all connections are busy. Each fails alone.
 */
export class PreparedReads {
  readonly #pool: pg.Pool;
  readonly #waiting: Asker[] = [];
  #isDue = false;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  ask<Row>(statement: Statement): Promise<QueryResult<Row>> {
    return new Promise((tell, fail) => {
      this.#waiting.push({ statement, answer: (answer) => tell(resultOf(answer)), fail });
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
