import { copyFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startGateway } from '../../support/gateway.ts';

const testing = { sharesFile: false };

test('one gateway at a time has a SQLite file, and is not ready while that is gone or another one', async () => {
  const first = await startGateway({ testing });
  const { databaseUrl, folder } = first;
  await expect(startGateway({ databaseUrl, folder, testing })).rejects.toMatchObject({
    name: 'SettingError',
    message: expect.stringMatching(/^DATABASE_URL=sqlite:.*: Another gateway serves this file/),
  });
  const isReady = async () => (await fetch(`${first.url}/readyz`)).ok;
  expect(await isReady()).toBe(true);
  const [path, aside] = [databaseUrl.slice('sqlite:'.length), join(folder, 'aside.db')];
  await rename(path, aside);
  await eventually(async () => !(await isReady()));
  expect(first.log()).toContain('file was removed or replaced');
  await rename(aside, path);
  await eventually(isReady);
  expect(first.log()).toContain('file is back');
  await copyFile(path, aside);
  await rename(aside, path);
  await eventually(async () => !(await isReady()));
  await first.app.close();

  const second = await startGateway({ databaseUrl, folder, testing });
  expect((await fetch(`${second.url}/readyz`)).ok).toBe(true);
  await second.close();
  await rm(folder, { recursive: true });
});
