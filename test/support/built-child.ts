import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

/**
 * The executor's child as JavaScript with its dependencies, but for those with parts of the machine's own: it may write
 * nowhere, so that each of the run's many children would strip the types of all its modules anew and compile all of
 * zod, which takes longer than most tests. What starts the gateway as a process of its own runs it from its source.
 */
export interface BuiltChild {
  readonly childUrl: string;
  /** The list that test-connectors.ts is, over the same modules. */
  readonly testListUrl: string;
}

/** These find parts of themselves beside their files. */
const native = ['ssh2', 'bcrypt-pbkdf'];

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Builds it where it finds the dependencies; `remove` takes it away. */
export async function buildChild(): Promise<{ built: BuiltChild; remove: () => Promise<void> }> {
  const cache = join(root, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'executor-child-'));
  // a child can be another user
  await chmod(folder, 0o755);
  const input = ['src/executor/child.ts', 'test/support/test-connectors.ts'];
  const bundle = await rolldown({ cwd: root, input, external: native, platform: 'node' });
  await bundle.write({ dir: folder, format: 'esm', entryFileNames: '[name].js' });
  await bundle.close();
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const [childUrl = '', testListUrl = ''] = input.map(
    (file) => pathToFileURL(join(folder, `${basename(file, '.ts')}.js`)).href,
  );
  return { built: { childUrl, testListUrl }, remove: () => rm(folder, { recursive: true, force: true }) };
}
