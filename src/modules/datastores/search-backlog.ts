import type { GroupWork } from '../../platform/database/database.ts';

/**
 * Gives SQLite's index of texts those of all datastores at once that a group of changes has renamed, which takes less
 * than half of the time: the triggers of migration 041 gather which these are, from the row with the number 0 on.
 */
export const searchBacklog: GroupWork = {
  begin: 'insert into search_backlog (number) values (0)',
  end: [
    `update datastore_search set text = (
        select label_folded || '\n\n' || name || '\n\n' from datastore_facets
          join datastores on datastores.id = datastore_id where number = datastore_search.rowid)
      where rowid in (select number from search_backlog where number > 0)`,
    'delete from search_backlog',
  ],
};
