import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

test('the README’s React code is that of the example, which CI compiles and drives', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const [, code = ''] = /```tsx\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(code).toContain('connectionTestProgress');
  expect(await readFile(join(ROOT, 'examples/react/src/use-progress.ts'), 'utf8')).toContain(code);
});
