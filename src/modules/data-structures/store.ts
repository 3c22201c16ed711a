import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { DataStructuresTable } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisible, whereVisibleToo } from '../access/visibility.ts';
import type { Structure, StructureField } from './structure.ts';

/** A structure that is stored. */
export interface DataStructure extends Structure {
  readonly id: string;
  readonly environmentId: string;
  readonly name: string;
}

function structureOf(row: DataStructuresTable): DataStructure {
  const { id, environment_id, name, strict, fields } = row;
  return {
    id,
    environmentId: environment_id,
    name,
    strict: strict === 1,
    fields: readFields(fields),
  };
}

/** Reads fields as they are stored. */
export function readFields(stored: string): readonly StructureField[] {
  // those that an older version has stored have no choices
  return (JSON.parse(stored) as StructureField[]).map(withChoices);
}

function withChoices(field: StructureField): StructureField {
  return { ...field, choices: field.choices ?? null, fields: field.fields?.map(withChoices) ?? null };
}

function rowOf({ id, environmentId, name, strict, fields }: DataStructure): DataStructuresTable {
  return { id, environment_id: environmentId, name, strict: strict ? 1 : 0, fields: JSON.stringify(fields) };
}

/** Reads those of the structures with these ids that the caller may see. */
export async function findStructures(
  database: Pick<Database, 'query'>,
  access: Access,
  ids: readonly string[],
): Promise<DataStructure[]> {
  const rows = await database.query
    .selectFrom('data_structures')
    .selectAll()
    .where(isOneOf('data_structures.id', ids))
    .where(whereVisibleToo(access, 'data_structures.environment_id'))
    .execute();
  return rows.map(structureOf);
}

/** Reads a page of the structures of an environment, or of all that the caller may see, sorted by name. */
export async function listStructures(
  database: Database,
  access: Access,
  environmentId: string | null,
  request: PageRequest,
): Promise<Page<DataStructure>> {
  const { after, before, backward } = request;
  const rows = await database.query
    .selectFrom('data_structures')
    .selectAll()
    .where(whereVisible(access, 'data_structures.environment_id', environmentId))
    .$if(after !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('name', 'id'), '>', tuple(after?.[0] ?? '', after?.[1] ?? '')),
      ),
    )
    .$if(before !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('name', 'id'), '<', tuple(before?.[0] ?? '', before?.[1] ?? '')),
      ),
    )
    .orderBy('name', backward ? 'desc' : 'asc')
    .orderBy('id', backward ? 'desc' : 'asc')
    .limit(request.size + 1)
    .execute();
  return toPage(rows.map(structureOf), request, ({ name, id }) => encodeCursor('NAME', [name, id]));
}

/** Reads a structure that the caller may see; nobody else changes or deletes it until the change ends. */
export async function lockStructure(change: Change, access: Access, id: string): Promise<DataStructure | undefined> {
  const row = await change.query
    .selectFrom('data_structures')
    .selectAll()
    .where('id', '=', id)
    .where(whereVisibleToo(access, 'data_structures.environment_id'))
    .$if(change.kind === 'postgres', (query) => query.forUpdate())
    .executeTakeFirst();
  return row && structureOf(row);
}

export async function insertStructure(change: Change, structure: DataStructure): Promise<void> {
  await change.query.insertInto('data_structures').values(rowOf(structure)).execute();
}

export async function replaceStructure(change: Change, structure: DataStructure): Promise<void> {
  const { id, ...columns } = rowOf(structure);
  await change.query.updateTable('data_structures').set(columns).where('id', '=', id).execute();
}

export async function deleteStructure(change: Change, id: string, at: string): Promise<void> {
  await change.query.deleteFrom('data_structures').where('id', '=', id).execute();
  await change.query.insertInto('retired_ids').values({ id, at }).execute();
}

/** Reads the ids of up to `limit` datastores that use a structure, which the service has found for its caller. */
export async function usersOf(change: Change, dataStructureId: string, limit: number): Promise<string[]> {
  const rows = await change.query
    .selectFrom('managed_stores')
    .select('datastore_id')
    .where('data_structure_id', '=', dataStructureId)
    .orderBy('datastore_id')
    .limit(limit)
    .execute();
  return rows.map((row) => row.datastore_id);
}
