import { existsSync, readFileSync } from 'node:fs';

/** The version of the package, as its package.json has it: beside src/, or beside dist/ where it is compiled. */
export function readVersion(): string {
  const places = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url));
  const manifest = places.find((url) => existsSync(url));
  if (!manifest) throw new Error('package.json is missing');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
