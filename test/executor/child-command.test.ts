import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { programPaths } from '../../src/executor/child-command.ts';

let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'child-command-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

function files(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '{}');
  }
}

function paths(file: string): string[] {
  return programPaths(join(folder, file)).map((path) => path.slice(folder.length + 1));
}

describe('what a child may read', () => {
  it('from a checkout: sources and dependencies, neither the data nor anything else beside them', () => {
    files('package.json', 'src/executor/child.ts', 'node_modules/pg/package.json', 'data/master.key', '.env');
    expect(paths('src/executor/child-command.ts')).toEqual(['src', 'package.json', 'node_modules']);
  });

  it('compiled: dist', () => {
    files('package.json', 'src/executor/child.ts', 'dist/child.js', 'node_modules/pg/package.json');
    expect(paths('dist/child-command.js')).toEqual(['dist', 'package.json', 'node_modules']);
  });

  it('installed: every node_modules that it lies in', () => {
    const own = 'app/node_modules/.store/datastore-gateway/node_modules/datastore-gateway';
    files(`${own}/package.json`, `${own}/dist/child.js`, 'app/package.json');
    expect(paths(`${own}/dist/child-command.js`)).toEqual([
      `${own}/dist`,
      `${own}/package.json`,
      'app/node_modules/.store/datastore-gateway/node_modules',
      'app/node_modules',
    ]);
  });

  it('with linked dependencies: where the link leads, too', () => {
    files('elsewhere/node_modules/pg/package.json', 'app/package.json', 'app/src/executor/child.ts');
    symlinkSync(join(folder, 'elsewhere/node_modules'), join(folder, 'app/node_modules'));
    expect(paths('app/src/executor/child-command.ts')).toEqual([
      'app/src',
      'app/package.json',
      'app/node_modules',
      'elsewhere/node_modules',
    ]);
  });
});
