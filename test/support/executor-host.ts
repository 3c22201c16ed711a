import { Executor, type TestJob } from '../../src/executor/executor.ts';

/**
 * A process of its own with an executor in it, which prints the number of its child and runs the given job, so that it
 * can be killed.
 */
const listUrl = new URL('./test-connectors.ts', import.meta.url).href;
const logger = {
  info: (details: object) => process.stdout.write(`${(details as { executorPid: number }).executorPid}\n`),
  warn: () => undefined,
  error: () => undefined,
};
const executor = new Executor({
  policy: { allow: ['127.0.0.1'], forbidden: [] },
  size: 1,
  testing: { listUrl },
  logger,
});
await executor.run(JSON.parse(process.argv[2] ?? '') as TestJob, () => undefined, new AbortController().signal);
