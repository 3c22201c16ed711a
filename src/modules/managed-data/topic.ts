/** What is rung when something happens to the records of a datastore, and when the datastore goes. */
export function recordsTopic(datastoreId: string): string {
  return `records:${datastoreId}`;
}
