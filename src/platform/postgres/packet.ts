import type { CompiledQuery } from 'kysely';
import type pg from 'pg';
import { keptOf, NO_ROW_FOUND, type TakenRows } from '../database/prepared-statements.ts';

/** How many prepared statements a connection keeps, of each of which Postgres holds a plan: the oldest goes. */
const MAX_PREPARED = 100;

/** A value as Postgres gets it; null is none. */
type Written = string | Buffer | null;

/** A statement with its values. */
export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
  /** Of a statement that runs often: Postgres parses and plans it once a connection, and then knows it by this name. */
  readonly name?: string | undefined;
  /** Makes what it fails with where it finds no row. */
  readonly orElse?: (() => Error) | undefined;
  /** What those of one name take, one can take for all. */
  readonly taken?: TakenRows | undefined;
}

export const COMMIT = named('commit');
/** It has no name, by which Postgres may not know it where something has failed. */
export const ROLLBACK: Statement = { sql: 'rollback', values: [] };

/** A statement without values that runs often. */
export function named(sql: string): Statement {
  return { sql, values: [], name: sql };
}

/** What Postgres has answered to a statement. */
export interface Answer {
  /** As `INSERT`, `SELECT` or `COMMIT`. */
  readonly command: string;
  /** How many rows were read or written. */
  readonly count: number;
  readonly rows: readonly Record<string, unknown>[];
}

/** Who waits for the answer to a statement. */
export interface Asker {
  readonly statement: Statement;
  readonly answer: (answer: Answer) => void;
  readonly fail: (error: unknown) => void;
}

/** An error, and the askers without an answer: the first of them has asked for what failed. */
export interface Failure {
  readonly error: unknown;
  readonly unanswered: readonly Asker[];
}

/** One of the values of a statement's rows. */
interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

/** A statement that a connection has prepared. */
interface Prepared {
  /** Undefined until Postgres has told them. */
  columns?: readonly Column[];
}

/** What a connection has prepared, by name, and since when. */
interface Preparations {
  readonly era: number;
  readonly byName: Map<string, Prepared>;
}

/** Whoever prepares anew begins with it. */
const forgetsAll: Asker = {
  statement: { sql: 'deallocate all', values: [] },
  answer: () => undefined,
  fail: () => undefined,
};

const preparations = new WeakMap<pg.Client, Preparations>();
let era = 0;

/** Has all connections prepare their statements anew. */
export function prepareAnew(): void {
  era += 1;
}

interface SendOptions {
  /**
   * Whether they go behind what has no answer yet. Where that leaves a transaction which has failed, Postgres does none
   * of them.
   */
  readonly isBehind?: boolean;
}

/**
 * Sends statements together over a connection on which nothing of others runs. Postgres does one after the other, and
 * none behind one that fails. Resolves when Postgres is done, to the failure if there was one, which no asker is told.
 */
export function sendTogether(
  client: pg.Client,
  askers: readonly Asker[],
  { isBehind = false }: SendOptions = {},
): Promise<Failure | undefined> {
  const known = preparations.get(client);
  // what has no name, as a rollback, may come where nothing else would be done
  const isAnew = known?.era !== era && askers.some(({ statement }) => statement.name !== undefined);
  const all = isAnew && known !== undefined ? [forgetsAll, ...askers] : askers;
  const current = isAnew || known === undefined ? { era, byName: new Map<string, Prepared>() } : known;
  preparations.set(client, current);
  return new Promise((onEnd) => {
    const packet = new Packet(all, { byName: current.byName, types: client, onEnd });
    if (isBehind) packet.submit(client.connection);
    client.query(packet);
  });
}

/**
 * Sends statements that belong together, and gives the answer to the last of them once Postgres is done: what a
 * statement by itself has written is committed behind its answer, which a constraint may refuse.
 */
export function answerToLast(
  client: pg.Client,
  statements: readonly Statement[],
  options?: SendOptions,
): Promise<Answer | Failure> {
  return new Promise((resolve, fail) => {
    let last: Answer;
    const answer: Asker['answer'] = (one) => {
      last = one;
    };
    const askers = statements.map((statement): Asker => ({ statement, answer, fail }));
    sendTogether(client, askers, options).then((failure) => resolve(failure ?? last), fail);
  });
}

/** Why a change has failed: in its own words where it has some. */
export function reasonOf({ error, unanswered: [failed] }: Failure): unknown {
  const orElse = failed?.statement.orElse;
  return orElse && (error as { code?: unknown }).code === NO_ROW_FOUND ? orElse() : error;
}

/** A query as it is sent. */
export function statementOf(query: CompiledQuery): Statement {
  const { name, orElse, taken } = keptOf(query);
  return { sql: query.sql, values: query.parameters, name, orElse, taken };
}

/** Does what some statements do by as few as can be: one for all that take rows and differ in nothing else. */
export function joinStatements(statements: readonly Statement[]): Statement[] {
  const byName = Map.groupBy(statements, (statement) => (statement.taken && statement.name) ?? statement);
  return [...byName.values()].map((alike) => (alike.length > 1 ? joined(alike as [Statement]) : alike[0]) as Statement);
}

function joined(alike: readonly [Statement, ...Statement[]]): Statement {
  const [{ sql, name, taken }] = alike;
  const rows = alike.flatMap((statement) => statement.taken?.rows ?? []);
  return { sql, name, values: taken?.parametersOf(rows) ?? [] };
}

/** Makes a statement's value what Postgres gets. @throws TypeError for what no statement of the gateway has */
export function written(value: unknown): Written {
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value;
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `{${value.map(writtenInList).join(',')}}`;
  throw new TypeError('A statement of Postgres takes texts, numbers, booleans, bytes and lists');
}

function writtenInList(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return `"${/["\\]/.test(value) ? value.replaceAll(/["\\]/g, '\\$&') : value}"`;
  throw new TypeError('A list for Postgres holds texts, numbers and null');
}

interface PacketParts {
  readonly byName: Map<string, Prepared>;
  readonly types: Pick<pg.ClientBase, 'getTypeParser'>;
  readonly onEnd: (failure: Failure | undefined) => void;
}

/** What pg sends for us, and to which it hands what comes back message by message, as it does to its own queries. */
class Packet implements pg.Submittable {
  readonly #askers: readonly Asker[];
  /** Those of each asker's statement. */
  readonly #values: readonly Written[][];
  readonly #parts: PacketParts;
  readonly #prepared: Prepared[] = [];
  readonly #answers: (() => void)[] = [];
  #rows: Record<string, unknown>[] = [];
  #misread: unknown;
  #isSent = false;

  constructor(askers: readonly Asker[], parts: PacketParts) {
    this.#askers = askers;
    this.#values = askers.map(({ statement }) => statement.values.map(written));
    this.#parts = parts;
  }

  /** Called when it is the connection's turn, and before where it is sent behind another one. */
  submit(connection: pg.Connection): null {
    if (this.#isSent) return null;
    this.#isSent = true;
    connection.stream.cork();
    try {
      for (const [at, { statement }] of this.#askers.entries())
        this.#write(connection, statement, this.#values[at] ?? []);
      connection.sync();
    } finally {
      connection.stream.uncork();
    }
    return null;
  }

  #write(connection: pg.Connection, { name, sql }: Statement, values: Written[]): void {
    const known = name === undefined ? undefined : this.#parts.byName.get(name);
    const prepared = known ?? this.#prepare(connection, sql, name);
    this.#prepared.push(prepared);
    connection.bind({ statement: name, values }, true);
    if (!known) connection.describe({ type: 'P' }, true);
    connection.execute(null, true);
  }

  #prepare(connection: pg.Connection, text: string, name: string | undefined): Prepared {
    const prepared: Prepared = {};
    if (name !== undefined) {
      const { byName } = this.#parts;
      const [oldest] = byName.keys();
      if (oldest !== undefined && byName.size >= MAX_PREPARED) {
        byName.delete(oldest);
        connection.close({ type: 'S', name: oldest }, true);
      }
      byName.set(name, prepared);
      // it may be there from an attempt that failed behind its preparation
      connection.close({ type: 'S', name }, true);
    }
    connection.parse({ text, name } as pg.QueryParse, true);
    return prepared;
  }

  get #current(): Prepared {
    return this.#prepared[this.#answers.length] ?? {};
  }

  handleRowDescription({ fields }: { readonly fields: readonly pg.FieldDef[] }): void {
    const { types } = this.#parts;
    this.#current.columns = fields.map(({ name, dataTypeID }) => {
      return { name, parse: types.getTypeParser(dataTypeID, 'text') as Column['parse'] };
    });
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const { columns = [] } = this.#current;
    const row: Record<string, unknown> = {};
    try {
      for (let at = 0; at < columns.length; at += 1) {
        const { name, parse } = columns[at] as Column;
        const text = fields[at] ?? null;
        row[name] = text === null ? null : parse(text);
      }
      this.#rows.push(row);
    } catch (error) {
      // what is thrown here would be thrown in the socket's listener
      this.#misread = error;
    }
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const { answer, fail } = this.#askers[this.#answers.length] ?? forgetsAll;
    this.#current.columns ??= [];
    const [rows, misread] = [this.#rows, this.#misread];
    this.#rows = [];
    this.#misread = undefined;
    const [, command = '', count = '0'] = /^(\w+).*?(\d*)$/.exec(text) ?? [];
    this.#answers.push(() => (misread === undefined ? answer({ command, count: Number(count), rows }) : fail(misread)));
  }

  handleError(error: unknown): void {
    this.#settle();
    const unanswered = this.#askers.slice(this.#answers.length);
    const { byName, onEnd } = this.#parts;
    // whether these were prepared is not known
    for (const { statement } of unanswered)
      if (statement.name !== undefined && byName.get(statement.name)?.columns === undefined)
        byName.delete(statement.name);
    onEnd({ error, unanswered });
  }

  /** Postgres is done with all of them. */
  handleReadyForQuery(): void {
    this.#settle();
    this.#parts.onEnd(undefined);
  }

  #settle(): void {
    for (const tell of this.#answers) tell();
  }
}
