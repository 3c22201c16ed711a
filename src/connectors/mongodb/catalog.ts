import type { Document } from 'bson';
import { z } from 'zod';
import { columnKind } from '../kit/config/tenancy.ts';
import type { CatalogColumn, CatalogEntry } from '../kit/contract/catalog-entry.ts';
import { isUnavailable, UNAUTHORIZED } from './failures.ts';
import type { MongoSession } from './session.ts';
import { MongoError } from './wire.ts';

/** The number of documents from which the fields of a collection are guessed. */
const SAMPLE = 50;
/** The most fields of a collection that are shown: there are many more when the keys of the documents are data. */
const MOST_FIELDS = 2_000;
const COLLECTIONS_AT_ONCE = 100;
/** The types of a field that has no value, or that is not there. */
const NO_VALUE: readonly string[] = ['null', 'undefined', 'missing'];

const COLLECTION = z.object({ name: z.string(), type: z.string().default('collection') });
const FIELD = z.object({
  _id: z.object({ name: z.string(), type: z.string() }),
  documents: z.union([z.int(), z.bigint()]).transform(Number),
});

export type MongoCollection = z.output<typeof COLLECTION>;
type Field = z.output<typeof FIELD>;

/** The collections and views of a database that the user may see, some at a time. The server's own are left out. */
export async function* collectionsOf(
  session: MongoSession,
  database: string,
  filter: Document = {},
): AsyncGenerator<MongoCollection[]> {
  const command = { listCollections: 1, nameOnly: true, authorizedCollections: true, filter };
  for await (const some of session.readAll(database, command, COLLECTION)) {
    yield some.filter(({ name }) => !name.startsWith('system.'));
  }
}

/** Reads every collection and view of a database, with the fields that a small sample of its documents has. */
export async function* readMongodbCatalog(
  session: MongoSession,
  database: string,
): AsyncGenerator<readonly CatalogEntry[]> {
  // the list is read to its end first: a server may give up a cursor that waits
  const names: MongoCollection[] = [];
  for await (const some of collectionsOf(session, database)) names.push(...some);
  let batch: CatalogEntry[] = [];
  for (const collection of names) {
    batch.push(await entryOf(session, database, collection));
    if (batch.length < COLLECTIONS_AT_ONCE) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function entryOf(session: MongoSession, database: string, collection: MongoCollection): Promise<CatalogEntry> {
  const kind = collection.type === 'view' ? 'VIEW' : 'COLLECTION';
  return {
    namespace: database,
    name: collection.name,
    kind,
    ...(await visibleFields(session, database, collection)),
  };
}

async function visibleFields(
  session: MongoSession,
  database: string,
  collection: MongoCollection,
): Promise<Pick<CatalogEntry, 'columns' | 'readable'>> {
  try {
    return { readable: true, columns: await fieldsOf(session, database, collection) };
  } catch (error) {
    // a collection may be listed and still not be readable: the view's source is gone, it was dropped just now, or the
    // user lacks the right
    if (error instanceof MongoError && !isUnavailable(error))
      return { readable: error.code === UNAUTHORIZED ? false : null, columns: [] };
    throw error;
  }
}

/** The fields of one collection; null when there is none of that name, or the user may not see it. */
export async function collectionColumns(
  session: MongoSession,
  database: string,
  name: string,
): Promise<CatalogColumn[] | null> {
  for await (const some of collectionsOf(session, database, { name })) {
    const [collection] = some;
    if (collection) return fieldsOf(session, database, collection);
  }
  return null;
}

/**
 * Asks for the fields of a collection. The server looks at the documents itself, so their values stay there, and the
 * answer is short.
 */
async function fieldsOf(
  session: MongoSession,
  database: string,
  { name, type }: MongoCollection,
): Promise<CatalogColumn[]> {
  const pipeline = [
    // to sample a view the server would have to make all of it
    type === 'view' ? { $limit: SAMPLE } : { $sample: { size: SAMPLE } },
    { $project: { _id: 0, field: { $objectToArray: '$$ROOT' } } },
    { $unwind: { path: '$field', includeArrayIndex: 'place' } },
    {
      $group: {
        _id: { name: '$field.k', type: { $type: '$field.v' } },
        documents: { $sum: 1 },
        place: { $min: '$place' },
      },
    },
    { $sort: { place: 1, '_id.name': 1 } },
    { $limit: MOST_FIELDS },
  ];
  const fields: Field[] = [];
  for await (const some of session.readAll(database, { aggregate: name, pipeline }, FIELD)) fields.push(...some);
  return columnsOf(fields);
}

function columnsOf(fields: readonly Field[]): CatalogColumn[] {
  const byName = Map.groupBy(fields, (field) => field._id.name);
  const seen = [...byName.values()].map((each) => each.reduce((sum, { documents }) => sum + documents, 0));
  const documents = Math.max(0, ...seen);
  return [...byName].map(([name, each]) => {
    const valued = each.filter((field) => !NO_VALUE.includes(field._id.type));
    const count = valued.reduce((sum, field) => sum + field.documents, 0);
    // a sample can show that a field may be missing, but never that it may not
    return {
      name,
      dataType: typeName(valued.map((field) => field._id.type)),
      nullable: count < documents ? true : null,
    };
  });
}

/**
 * The name of a field's type, made of the names that MongoDB's $type gives: `objectId`, `int | double`, `mixed: int |
 * string`.
 */
function typeName(types: readonly string[]): string {
  if (types.length === 0) return 'null';
  const joined = [...new Set(types)].toSorted().join(' | ');
  return new Set(types.map(columnKind)).size > 1 ? `mixed: ${joined}` : joined;
}
