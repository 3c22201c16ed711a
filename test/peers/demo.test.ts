import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { describePeer } from '../support/peers/installed.ts';

const launcher = fileURLToPath(new URL('../../bin/datastore-gateway.js', import.meta.url));
const PATIENCE_MS = 120_000;

describePeer('the demo in Chromium', { programs: ['chromium'], packages: ['chromium'] }, () => {
  test(
    'a mistyped password is refused by name, and mended it is saved; nothing is left behind',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'gateway-demo-'));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      // as root the demo's Postgres runs as nobody
      await chmod(folder, 0o755);
      const child: ChildProcess = spawn(process.execPath, [launcher, 'start', '--demo'], {
        cwd: folder,
        env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, PORT: '0' },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      let output = '';
      child.stdout?.on('data', (data: Buffer) => {
        output += String(data);
      });
      await expect.poll(() => output, { timeout: 60_000 }).toContain('when this stops');
      const [link = ''] = /http:\/\/\S+#code=\S+/.exec(output) ?? [];
      const [, password = ''] = /password (shop-\w+)/.exec(output) ?? [];

      const browser = await chromium.launch({
        executablePath: '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-gpu'],
      });
      onTestFinished(() => browser.close());
      const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
      await page.goto(link);
      const answer = page.locator('.graphiql-response .view-lines');
      const answered = (text: string) =>
        expect
          .poll(async () => (await answer.textContent())?.replaceAll('\u00a0', ' '), { timeout: 60_000 })
          .toContain(text);
      await page.locator('.graphiql-tab-button', { hasText: 'RegisterDatastore' }).click();
      await expect
        .poll(() => page.locator('.graphiql-tab-active').textContent(), { timeout: 60_000 })
        .toContain('RegisterDatastore');
      const run = page.locator('.graphiql-execute-button');
      await run.click();
      await answered('"PASSWORD_REFUSED"');
      await answered('"configPath": "password"');

      const variables = page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines');
      await variables.getByText(password.slice(0, -1)).dblclick();
      // the word ends at the dash; what stands before it is right
      await page.keyboard.insertText(password.slice(password.indexOf('-') + 1));
      await run.click();
      await answered('"CreateDatastoreSuccess"');

      child.kill('SIGINT');
      expect(await once(child, 'exit')).toEqual([0, null]);
      expect(
        (await readdir(folder)).filter((name) => name.startsWith('gateway-') || name.startsWith('datastore-')),
      ).toEqual([]);
      expect(existsSync(join(folder, 'data'))).toBe(false);
    },
    PATIENCE_MS,
  );
});
