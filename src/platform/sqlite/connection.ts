import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely';
import { keptOf } from '../database/prepared-statements.ts';
import type { ChainLink } from '../journal/chain-link.ts';
import type { DeferredChanges } from './deferred-changes.ts';
import type { SqliteFile } from './file.ts';
import type { Group, GroupWork, SqliteWriter } from './writer.ts';

/** The connections of one file, and what they share. */
export interface SqliteFiles {
  /** What writes, to `written`. */
  readonly writer: SqliteWriter;
  readonly written: SqliteFile;
  readonly reader: SqliteFile;
  /** What stores changes in a thread; undefined in memory. */
  readonly deferred: DeferredChanges | undefined;
}

/** A transaction. */
interface Transaction {
  /** The group that it belongs to, once it has the turn. */
  group: Group | undefined;
  /** What it is to do, in this order, while it has none. */
  readonly works: Set<GroupWork>;
  readonly statements: CompiledQuery[];
  readonly links: ChainLink[];
  /** Why some of that could not be done. */
  failure: unknown;
}

/**
 * What an asker holds: its single statements go to the reader or, in turn, to the writer; its transaction takes the
 * turn with the first statement that is waited for, and keeps it to the end. One without any is stored with others.
 */
export class SqliteConnection implements DatabaseConnection {
  readonly #files: SqliteFiles;
  #transaction: Transaction | undefined;

  constructor(files: SqliteFiles) {
    this.#files = files;
  }

  async begin(): Promise<void> {
    this.#transaction = { group: undefined, works: new Set(), statements: [], links: [], failure: undefined };
    // in memory others would read in between, where they are to wait
    if (!this.#files.deferred) await this.#take(this.#transaction);
  }

  /** Leaves some of the transaction's work to the end of the changes that share a COMMIT with it. */
  leave(work: GroupWork): void {
    const { group, works } = this.#open();
    if (group) this.#files.writer.leave(work, group);
    else works.add(work);
  }

  /** Runs a statement of the transaction without waiting for anything; undefined where it has to wait for its turn. */
  runAtOnce<Row>(query: CompiledQuery): QueryResult<Row> | undefined {
    const transaction = this.#open();
    return transaction.group ? this.#run<Row>(query, transaction.group) : defer(query, transaction);
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const transaction = this.#transaction;
    if (transaction) return this.runAtOnce<Row>(query) ?? this.#run<Row>(query, await this.#take(transaction));
    const { writer, written, reader } = this.#files;
    if (reader.onlyReads(query.sql)) return reader === written ? writer.alone<Row>(query) : reader.run<Row>(query);
    return /^(insert|update|delete|with)\b/i.test(query.sql) ? writer.change<Row>(query) : writer.alone<Row>(query);
  }

  async commit(): Promise<void> {
    const transaction = this.#open();
    // whoever passed over that has stored less than was meant
    if (transaction.failure !== undefined) throw transaction.failure;
    if (!transaction.group) {
      const { works, statements, links } = transaction;
      if (statements.length + links.length === 0) return;
      if (await this.#files.deferred?.store({ works, statements, links })) return;
    }
    const group = transaction.group ?? (await this.#take(transaction));
    // from here on it is over, whatever comes of it
    transaction.group = undefined;
    await this.#files.writer.commit(group);
  }

  async rollback(): Promise<void> {
    const { group } = this.#open();
    if (group) await this.#files.writer.rollback(group);
  }

  /** Takes the turn, and does what was left until then. */
  async #take(transaction: Transaction): Promise<Group> {
    const { writer } = this.#files;
    const group = await writer.begin();
    transaction.group = group;
    try {
      for (const work of transaction.works) writer.leave(work, group);
      for (const statement of transaction.statements) this.#run(statement, group);
      for (const link of transaction.links) writer.append(link, group);
    } catch (error) {
      transaction.failure = error;
      throw error;
    }
    return group;
  }

  #run<Row>(query: CompiledQuery, group: Group): QueryResult<Row> {
    const { link, orElse, onWritten } = keptOf(query);
    const { writer } = this.#files;
    if (link) {
      writer.append(link, group);
      return { rows: [] };
    }
    const result = writer.run<Row>(query, group);
    if (orElse && result.numAffectedRows === 0n) throw orElse();
    if (result.numAffectedRows) onWritten?.();
    return result;
  }

  #open(): Transaction {
    if (this.#transaction === undefined) throw new Error('No transaction is open');
    return this.#transaction;
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('Read SQLite in pages: it does not stream');
  }
}

/** Keeps what nobody waits for; undefined where somebody does. */
function defer<Row>(query: CompiledQuery, { links, statements }: Transaction): QueryResult<Row> | undefined {
  const { isDeferred, link } = keptOf(query);
  if (link) links.push(link);
  else if (isDeferred) statements.push(query);
  else return undefined;
  return { rows: [] };
}
