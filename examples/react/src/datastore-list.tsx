import { useEffect, useState } from 'react';
import { useGateway } from './gateway.ts';

interface Page {
  totalCount: number;
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
  nodes: { id: string; label: string; type: string; lastTest: { status: string } | null }[];
}

const LIST = `query ($first: Int, $after: String, $last: Int, $before: String) {
  datastores(first: $first, after: $after, last: $last, before: $before) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    nodes { id label type lastTest { status } }
  }
}`;
const PAGE_SIZE = 10;

/** What is registered, page by page. */
export function DatastoreList() {
  const gateway = useGateway();
  const [place, setPlace] = useState<object>({ first: PAGE_SIZE });
  const [page, setPage] = useState<Page | null>(null);
  const [message, setMessage] = useState('');

  useEffect(() => {
    let isOver = false;
    gateway.ask<{ datastores: Page }>(LIST, place).then(
      ({ datastores }) => !isOver && setPage(datastores),
      (error: Error) => !isOver && setMessage(error.message),
    );
    return () => {
      isOver = true;
    };
  }, [gateway, place]);

  if (message) return <p role="alert">{message}</p>;
  if (!page) return <p>Loading…</p>;
  const { totalCount, nodes, pageInfo } = page;
  return (
    <section aria-label="Datastores">
      <h2>{totalCount === 1 ? '1 datastore' : `${totalCount} datastores`}</h2>
      <ul>
        {nodes.map(({ id, label, type, lastTest }) => (
          <li key={id}>
            <bdi>{label}</bdi> <small>{type}</small> <small>{lastTest?.status.toLowerCase() ?? 'not tested'}</small>
          </li>
        ))}
      </ul>
      <button
        type="button"
        disabled={!pageInfo.hasPreviousPage}
        onClick={() => setPlace({ last: PAGE_SIZE, before: pageInfo.startCursor })}
      >
        Back
      </button>{' '}
      <button
        type="button"
        disabled={!pageInfo.hasNextPage}
        onClick={() => setPlace({ first: PAGE_SIZE, after: pageInfo.endCursor })}
      >
        More
      </button>
    </section>
  );
}
