import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSecrets } from '../../src/commands/manifest-secrets.ts';

describe('the file of a secret', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'secrets-'));
  });

  afterAll(() => rm(folder, { recursive: true }));

  const read = async (name: string) => (await readSecrets([`file:${name}`], folder)).map(({ value }) => value);

  test.each([
    ['with a line break at its end', 'secret\n', ['secret']],
    ['with one of Windows', 'secret\r\n', ['secret']],
    ['of several lines', 'a\nb\n\n', ['a\nb\n']],
    ['that is as long as a secret may be', 'é'.repeat(32_768), ['é'.repeat(32_768)]],
    ['that is empty', '', []],
    ['that holds a line break alone', '\n', []],
  ])('%s', async (title, text, values) => {
    await writeFile(join(folder, title), text);
    expect(await read(title)).toEqual(values);
  });

  test('that is not there is left out, by whatever it is named', async () => {
    await symlink(join(folder, 'nowhere'), join(folder, 'link'));
    expect(await read('missing')).toEqual([]);
    expect(await read('missing/secret')).toEqual([]);
    expect(await read('link')).toEqual([]);
  });

  test('that is a pipe is read once', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [values] = await Promise.all([read('pipe'), writeFile(pipe, 'secret\n')]);
    expect(values).toEqual(['secret']);
  });

  test('that cannot be one is named', async () => {
    await mkdir(join(folder, 'folder'));
    await writeFile(join(folder, 'long'), 'x'.repeat(65_537));
    await writeFile(join(folder, 'bytes'), Buffer.from([0xff]));
    await expect(read('folder')).rejects.toThrow(`${join(folder, 'folder')}: A folder is there, no file (EISDIR).`);
    await expect(read('bytes/secret')).rejects.toThrow(`${join(folder, 'bytes/secret')}: It cannot be read (ENOTDIR).`);
    await expect(read('long')).rejects.toThrow(`${join(folder, 'long')} is over 64 KiB, which is no secret.`);
    await expect(read('/dev/zero')).rejects.toThrow('/dev/zero is over 64 KiB, which is no secret.');
    await expect(read('bytes')).rejects.toThrow(`${join(folder, 'bytes')} is no text in UTF-8.`);
  });
});
