import { randomUUID } from 'node:crypto';
import { CompiledQuery } from 'kysely';
import pg from 'pg';
import type { Database } from '../../src/platform/database/database.ts';
import { PLANNER_SETTINGS } from '../../src/platform/postgres/dialect.ts';

/** So often Postgres plans a prepared statement for its values before it compares that with one plan for all. */
const PLANNED_FOR_VALUES = 5;

/** A statement as it was sent. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** How a database would answer a statement if each of the tables had a million rows. */
export interface Explainer {
  /** What it does with the tables that it should not do; empty: nothing. It may look at `most` rows in one step. */
  faults(statement: Statement, most?: number): Promise<string[]>;
  /** The indexes of the tables that it uses, by name. */
  indexes(statement: Statement): Promise<string[]>;
  /** The same of the plan that Postgres makes once for all values of a prepared statement. */
  indexesForAll(statement: Statement): Promise<string[]>;
  /** The steps of that plan where the tables were vacuumed: an index could answer by itself. None of SQLite. */
  stepsForAll(statement: Statement): Promise<string[]>;
  /** Whether a prepared statement is planned once, not again and again for its values. */
  isPlannedOnce(statement: Statement): Promise<boolean>;
  close(): Promise<void>;
}

/** The most rows that a statement may look at in one step of its plan: a page of several lists. */
const LOOKED_AT = 500;

/**
 * Explains statements. SQLite plans for a million rows by itself: without statistics, which the gateway never makes, it
 * takes a table to have 1,048,576. Postgres plans by a count that is put into its statistics. It takes the distribution
 * from the rows that are there, and reads are run to count what they look at.
 */
export async function openExplainer(database: Database, url: string, tables: readonly string[]): Promise<Explainer> {
  return database.kind === 'sqlite' ? sqliteExplainer(database, tables) : await postgresExplainer(url, tables);
}

function sqliteExplainer(database: Database, tables: readonly string[]): Explainer {
  const steps = async ({ sql, parameters }: Statement) => {
    const plan = CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]);
    const { rows } = await database.query.executeQuery<{ detail: string }>(plan);
    return rows.map(({ detail }) => detail).filter((step) => tables.includes(/^\w+ (\w+)/.exec(step)?.[1] ?? ''));
  };
  const indexOf = (step: string) => / USING (?:COVERING )?INDEX (\w+)/.exec(step)?.[1] ?? [];
  return {
    faults: async (statement) => (await steps(statement)).filter((step) => step.startsWith('SCAN ')),
    indexes: async (statement) => [...new Set((await steps(statement)).flatMap(indexOf))],
    indexesForAll: async (statement) => [...new Set((await steps(statement)).flatMap(indexOf))],
    stepsForAll: async () => [],
    isPlannedOnce: async () => true,
    close: async () => undefined,
  };
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

async function postgresExplainer(url: string, tables: readonly string[]): Promise<Explainer> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(PLANNER_SETTINGS);
  for (const table of tables) {
    await client.query(`alter table ${table} set (autovacuum_enabled = false)`);
    await client.query(`analyze ${table}`);
    await client.query(`update pg_class set reltuples = 1000000 where oid = '${table}'::regclass`);
  }
  const nodes = async ({ sql, parameters }: Statement) => {
    // a change is planned and not made
    const options = /^select\b/i.test(sql) ? 'analyze, format json' : 'format json';
    await client.query('begin');
    const { rows } = await client.query(`explain (${options}) ${sql}`, [...parameters]);
    await client.query('rollback');
    return allNodes(rows[0]['QUERY PLAN'][0].Plan);
  };
  const planForAll = async ({ sql }: Statement) => {
    const { rows } = await client.query(`explain (generic_plan, format json) ${sql}`);
    return allNodes(rows[0]['QUERY PLAN'][0].Plan);
  };
  const isOfTables = (node: PlanNode) => tables.includes(node['Relation Name'] ?? '');
  return {
    faults: async (statement, most = LOOKED_AT) =>
      (await nodes(statement)).filter(isOfTables).flatMap((node) => faultsOf(node, most)),
    indexes: async (statement) => [...new Set((await nodes(statement)).flatMap((node) => node['Index Name'] ?? []))],
    indexesForAll: async (statement) => [
      ...new Set((await planForAll(statement)).flatMap((node) => node['Index Name'] ?? [])),
    ],
    stepsForAll: async (statement) => {
      await client.query('begin');
      await client.query('update pg_class set relallvisible = relpages where oid = any($1::regclass[])', [tables]);
      const plan = await planForAll(statement);
      await client.query('rollback');
      return plan.map((node) => node['Node Type']);
    },
    isPlannedOnce: async ({ sql, parameters }) => {
      const prepared = { name: randomUUID(), text: sql, values: [...parameters] };
      for (let time = 0; time <= PLANNED_FOR_VALUES; time += 1) await client.query(prepared);
      const { rows } = await client.query('select generic_plans from pg_prepared_statements where name = $1', [
        prepared.name,
      ]);
      return Number(rows[0].generic_plans) > 0;
    },
    close: () => client.end(),
  };
}

function allNodes(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(allNodes)];
}

function faultsOf(node: PlanNode, most: number): string[] {
  const { 'Node Type': type, 'Relation Name': table, 'Index Cond': condition } = node;
  const scans = type === 'Seq Scan' || (/^Index (Only )?Scan$/.test(type) && condition === undefined);
  const looked = ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 0);
  return [
    ...(scans ? [`${type} of ${table}`] : []),
    ...(looked > most ? [`${type} looks at ${looked} rows of ${table}`] : []),
  ];
}
