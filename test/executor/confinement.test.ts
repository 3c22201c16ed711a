import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { childCommand, unconfined } from '../../src/executor/child-command.ts';
import { firstThatWorks, isReadableByAll } from '../../src/executor/confinement.ts';

it('leaves a child the gateway’s user where another one could not read the program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'confinement-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const inner = join(folder, 'inner');
  const file = join(inner, 'file');
  mkdirSync(inner);
  writeFileSync(file, '');
  const readable = (...modes: readonly [number, number, number]) => {
    for (const [index, path] of [folder, inner, file].entries()) chmodSync(path, modes[index] ?? 0);
    return [inner, file].map(isReadableByAll);
  };
  expect(readable(0o755, 0o755, 0o644)).toEqual([true, true]);
  expect(readable(0o711, 0o711, 0o644)).toEqual([false, true]);
  expect(readable(0o755, 0o755, 0o640)).toEqual([true, false]);
  expect(readable(0o700, 0o755, 0o644)).toEqual([false, false]);
});

it('is the strictest that the system takes, and none where it takes none', async () => {
  const unknown = { ...unconfined, wrapper: ['/nonexistent/hold'] };
  const failing = { ...unconfined, wrapper: [process.execPath, '--no-such-flag'] };
  // Node throws for some errors of the system, such as that of a user who is not in the namespace, and emits others
  const throwing = { ...unconfined, uid: 2 ** 40 };
  const fitting = { ...unconfined, noNewPrivileges: true };
  expect(await firstThatWorks([unknown, failing, throwing, fitting, unconfined])).toBe(fitting);
  expect(await firstThatWorks([unknown, throwing])).toBe(unconfined);
});

it('goes before the child’s own command', () => {
  const plain = childCommand(undefined);
  const flags = { ownUser: true, ownProcesses: false, noNewPrivileges: true };
  const confined = childCommand(undefined, { wrapper: ['/bin/hold', '--tight'], uid: 65_525, ...flags });
  expect([confined.file, ...confined.args]).toEqual(['/bin/hold', '--tight', plain.file, ...plain.args]);
  expect(confined.options).toEqual({ ...plain.options, uid: 65_525, gid: 65_525 });
});
