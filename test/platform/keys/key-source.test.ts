import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newKeys } from '../../../src/platform/keys/key-file.ts';
import { commandSource } from '../../../src/platform/keys/key-source.ts';
import { Keyring } from '../../../src/platform/keys/keyring.ts';

describe('a key command', () => {
  let folder: string;
  const keys = newKeys();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gateway-key-command-'));
    await writeFile(join(folder, 'keys.json'), JSON.stringify(keys));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** As a key service’s command line would: it answers from a file. */
  async function script(name: string, body: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\n${body}\n`);
    await chmod(path, 0o700);
    return path;
  }

  test('prints the keys, from its words, without a shell', async () => {
    const path = await script('fetch', 'cat "$1"');
    const keyring = await Keyring.load(commandSource(`  ${path}  ${join(folder, 'keys.json')} `));
    expect(keyring.activeKeyId).toBe(keys.activeKeyId);
    await expect(commandSource(`${path} $(echo ${join(folder, 'keys.json')})`).read()).rejects.toThrow('ended with 1');
  });

  test('does not get the gateway’s own secrets', async () => {
    const path = await script(
      'curious',
      'test -z "$DATABASE_URL$BOOTSTRAP_TOKEN$EGRESS_PROXY$OIDC_CLIENT_SECRET" && cat "$KEYS_AT"',
    );
    const before = { ...process.env };
    Object.assign(process.env, {
      DATABASE_URL: 'x',
      BOOTSTRAP_TOKEN: 'x',
      EGRESS_PROXY: 'x',
      OIDC_CLIENT_SECRET: 'x',
      KEYS_AT: join(folder, 'keys.json'),
    });
    const read = commandSource(path).read();
    process.env = before;
    expect((await read).activeKeyId).toBe(keys.activeKeyId);
  });

  test.each([
    ['fails', 'echo hunter2; exit 3', /^The key command \S+fails ended with 3$/],
    ['prints-no-json', 'echo hunter2', /^what \S+ prints is no key file: it is not JSON$/],
    [
      'prints-other-json',
      `echo '{"version":2,"activeKeyId":"a","keys":{"a":"hunter2"},"macKey":"hunter2"}'`,
      /is no key file: wrong in keys\.a.*macKey$/,
    ],
    ['prints-too-much', 'head -c 100000 /dev/zero', /prints too much$/],
  ])('that %s is told so, and nothing that it said or was told', async (name, body, message) => {
    const path = await script(name, body);
    const error = await commandSource(`${path} --password=hunter2`)
      .read()
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(message);
    expect(JSON.stringify([(error as Error).message, error, (error as Error).cause])).not.toContain('hunter2');
  });

  test('that there is not is told so', async () => {
    await expect(commandSource(join(folder, 'nowhere')).read()).rejects.toThrow('cannot be run (ENOENT)');
  });
});
