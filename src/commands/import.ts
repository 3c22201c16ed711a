import { writeFile } from 'node:fs/promises';
import { UnreadableFile } from '../modules/manifests/importers/foreign-text.ts';
import { importers, importManifest } from '../modules/manifests/importers/import.ts';
import { optionsAndFile, print, readNamed, UsageError } from './command.ts';

/** Prints a manifest of a file of another program, and what was not taken where errors go. */
export async function importFile(args: readonly string[]): Promise<void> {
  const { values, file } = optionsAndFile(args, { from: { type: 'string' }, out: { type: 'string' } });
  const { from = '', out } = values;
  const importer = Object.hasOwn(importers, from) ? importers[from] : undefined;
  if (!importer) throw new UsageError(`--from takes one of ${Object.keys(importers).join(', ')}.`);
  const given = (await readNamed(file)).toString();
  const { text, ignored } = await importManifest(importer, given).catch((error: unknown) => {
    throw error instanceof UnreadableFile ? new Error(`${file}:${error.message}`) : error;
  });
  if (out === undefined) print(text);
  else await writeFile(out, text);
  const lines = ignored.map(({ name, reason }) => `not taken: ${name}: ${reason}\n`);
  process.stderr.write(lines.join(''));
}
