import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult, TransactionSettings } from 'kysely';
import { DatabaseUnavailableError, explainDatabaseError } from './errors.ts';

export interface DatabaseGuard {
  /** Called in the asking code's context before a connection is taken; may throw. */
  readonly beforeAcquire: () => void;
  /** Told of every statement and transaction that could not be done because of the database itself. */
  readonly onUnavailable: (error: DatabaseUnavailableError) => void;
  /** Told of every commit, and of every statement that wrote outside of a transaction. */
  readonly onWritten: () => void;
}

/**
 * A dialect whose driver tells a fault of the database from a fault of the statement, in one place for both databases.
 */
export function guardDialect(dialect: Dialect, guard: DatabaseGuard): Dialect {
  return {
    createDriver: () => new GuardedDriver(dialect.createDriver(), guard),
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
  };
}

class GuardedDriver implements Driver {
  readonly #driver: Driver;
  readonly #guard: DatabaseGuard;

  constructor(driver: Driver, guard: DatabaseGuard) {
    this.#driver = driver;
    this.#guard = guard;
  }

  async init(): Promise<void> {
    await this.#guarded(() => this.#driver.init());
  }

  async acquireConnection(): Promise<GuardedConnection> {
    this.#guard.beforeAcquire();
    const connection = await this.#guarded(() => this.#driver.acquireConnection());
    return new GuardedConnection(connection, this.#guard, (work) => this.#guarded(work));
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const own = ownConnection(connection);
    await this.#guarded(() => this.#driver.beginTransaction(own.inner, settings));
    own.inTransaction = true;
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await this.#guarded(() => this.#driver.commitTransaction(ownConnection(connection).inner));
    this.#guard.onWritten();
  }

  /** A connection that is gone has rolled back already, and the error that led here says more than this one. */
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await this.#guarded(() => this.#driver.rollbackTransaction(ownConnection(connection).inner));
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error;
    }
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await this.#driver.releaseConnection(ownConnection(connection).inner);
  }

  async destroy(): Promise<void> {
    await this.#driver.destroy();
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const explained = explainDatabaseError(error);
      if (explained instanceof DatabaseUnavailableError && explained !== error) this.#guard.onUnavailable(explained);
      throw explained;
    }
  }
}

/** The connection of the driver behind one that a guarded dialect has given. */
export function innerConnection(connection: DatabaseConnection): DatabaseConnection {
  return ownConnection(connection).inner;
}

function ownConnection(connection: DatabaseConnection): GuardedConnection {
  if (!(connection instanceof GuardedConnection)) throw new Error('Not a connection of this driver');
  return connection;
}

class GuardedConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  inTransaction = false;
  readonly #guard: DatabaseGuard;
  readonly #guarded: <T>(work: () => Promise<T>) => Promise<T>;

  constructor(inner: DatabaseConnection, guard: DatabaseGuard, guarded: <T>(work: () => Promise<T>) => Promise<T>) {
    this.inner = inner;
    this.#guard = guard;
    this.#guarded = guarded;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const result = await this.#guarded(() => this.inner.executeQuery<Row>(query));
    if (!this.inTransaction && (result.numAffectedRows ?? 0n) > 0n) this.#guard.onWritten();
    return result;
  }

  streamQuery<Row>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<Row>> {
    return this.inner.streamQuery(query, chunkSize);
  }
}
