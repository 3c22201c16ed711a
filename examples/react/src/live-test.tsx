import { useProgress } from './use-progress.ts';

const MARKS = { PENDING: '·', RUNNING: '…', PASSED: '✓', WARNING: '!', FAILED: '✗', SKIPPED: '–' } as const;

/** A test, check by check, while it runs. */
export function LiveTest({ id }: { id: string | null }) {
  const checks = useProgress(id);
  if (checks.length === 0) return null;
  return (
    <ol className="checks" aria-label="Connection test" aria-live="polite">
      {checks.map(({ id, title, status, failure }) => (
        <li key={id} data-status={status}>
          <span aria-hidden="true">{MARKS[status] ?? '?'}</span> {title}
          <span className="status"> {status.toLowerCase()}</span>
          {failure && (
            <p>
              {failure.message} {failure.hint}
            </p>
          )}
        </li>
      ))}
    </ol>
  );
}
