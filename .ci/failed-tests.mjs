#!/usr/bin/env node
// Tells what failed in a report of vitest (JSON), a test each with the beginning of its message, for whoever reads the end of a long log.
import { readFileSync } from 'node:fs';

const WIDTH = 600;
const { testResults } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
for (const { name, message, status, assertionResults } of testResults) {
  const failed = assertionResults.filter((test) => test.status === 'failed');
  const told = failed.map((test) => [test.fullName, test.failureMessages.join('\n')]);
  // a file that could not be loaded has no tests of its own
  if (status === 'failed' && failed.length === 0) told.push(['the file itself', message ?? '']);
  for (const [test, why] of told)
    process.stdout.write(
      `${name.replace(/^.*\/test\//, 'test/')} > ${test}\n  ${why.slice(0, WIDTH).replaceAll('\n', '\n  ')}\n`,
    );
}
