const PATH = /^\/datastores\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/records$/i;

/** Whether records are at a path. */
export function isRecordsPath(path: string | undefined): boolean {
  return path !== undefined && PATH.test(path);
}

/** The datastore whose records are at a path; '' where none are. */
export function datastoreIn(path: string): string {
  return PATH.exec(path)?.[1]?.toLowerCase() ?? '';
}
