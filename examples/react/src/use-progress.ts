import { useEffect, useState } from 'react';
import { useGateway } from './gateway.ts';

export interface Check {
  id: string;
  title: string;
  status: 'PENDING' | 'RUNNING' | 'PASSED' | 'WARNING' | 'FAILED' | 'SKIPPED';
  failure: { message: string; hint: string | null; configPath: string | null } | null;
}

const PROGRESS = `subscription ($id: ID!) {
  connectionTestProgress(id: $id) {
    test { checks { id title status failure { message hint configPath } } }
  }
}`;

/** The checks of a test as they go. It may be called before the test exists: nothing is missed. */
export function useProgress(testId: string | null): Check[] {
  const { live } = useGateway();
  const [checks, setChecks] = useState<Check[]>([]);
  useEffect(() => {
    setChecks([]);
    if (testId === null) return;
    return live.subscribe<{ connectionTestProgress: { test: { checks: Check[] } } }>(
      { query: PROGRESS, variables: { id: testId } },
      {
        next: ({ data }) => data && setChecks(data.connectionTestProgress.test.checks),
        // without a connection the mutation fails too, and says why
        error: () => setChecks([]),
        complete: () => undefined,
      },
    );
  }, [live, testId]);
  return checks;
}
