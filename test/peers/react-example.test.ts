import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { describePeer } from '../support/peers/installed.ts';
import { freePorts } from '../support/peers/own-process.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/react');
const SCREENSHOTS = 'coverage/react';
const PATIENCE_MS = 180_000;
const run = promisify(execFile);

describePeer('the React example in Chromium', { programs: ['chromium'], packages: ['chromium'] }, () => {
  let gateway: TestGateway;
  let vite: ReturnType<typeof spawn>;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    if (!existsSync(join(EXAMPLE, 'node_modules'))) await run('npm', ['ci'], { cwd: EXAMPLE });
    const [port = 0] = await freePorts(1);
    gateway = await startGateway({ allowedHosts: [`localhost:${port}`] });
    vite = spawn(join(EXAMPLE, 'node_modules/.bin/vite'), ['--port', String(port), '--strictPort'], {
      cwd: EXAMPLE,
      env: { ...process.env, GATEWAY_URL: gateway.url },
      stdio: 'inherit',
    });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
    await mkdir(SCREENSHOTS, { recursive: true });
    page = await browser.newPage({ viewport: { width: 1200, height: 1000 } });
    complaints = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    const url = `http://localhost:${port}/`;
    await vi.waitFor(async () => expect((await fetch(url)).status).toBe(200), { timeout: 60_000, interval: 200 });
    await page.goto(url);
    await page.getByLabel('Token').fill(gateway.token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: '0 datastores' }).waitFor();
  }, PATIENCE_MS);

  afterAll(async () => {
    await browser?.close();
    vite?.kill();
    await gateway?.close();
  });

  const field = (name: string) => page.locator(`#root_${name}`);
  const type = () => page.getByRole('region', { name: 'New datastore' }).locator('select').first();
  /** Each group as it is seen, from above: its heading, and the names of the fields and blocks right in it. */
  const groups = () =>
    page.locator('fieldset.group').evaluateAll((sets) => {
      const fromAbove = (elements: Iterable<Element>) =>
        [...elements].sort((a, b) => a.getBoundingClientRect().y - b.getBoundingClientRect().y);
      return fromAbove(sets).map((set) => [
        set.querySelector(':scope > legend')?.textContent,
        ...fromAbove(set.querySelectorAll(':scope > .rjsf-field')).map((field) =>
          field.querySelector('[id^=root_]')?.id.replace(/^root_([a-zA-Z]+).*$/, '$1'),
        ),
      ]);
    });
  const save = () => page.getByRole('button', { name: 'Test and save' }).click();

  test('compiles and is built', { timeout: PATIENCE_MS }, async () => {
    const { stdout } = await run('npm', ['run', 'build', '--', '--outDir', join(gateway.folder, 'example')], {
      cwd: EXAMPLE,
    });
    expect(stdout).toContain('index.html');
  });

  test('the fields stand in the groups of their type, and a block that is off has none', {
    timeout: PATIENCE_MS,
  }, async () => {
    await expect.poll(groups).toEqual([
      ['Basics', 'host', 'port', 'database', 'schema'],
      ['Sign-in', 'username', 'password'],
      ['TLS', 'tls'],
      ['SSH tunnel', 'sshTunnel'],
      ['Advanced', 'allowCleartextPassword', 'awsIam'],
    ]);
    const tunnel = page.locator('fieldset.group', { hasText: 'SSH tunnel' });
    expect(await tunnel.locator('select option:checked').allTextContents()).toEqual(['Off']);
    expect(await tunnel.locator('input').count()).toBe(0);
    await type().selectOption({ label: 'Snowflake' });
    await expect.poll(groups).toEqual([
      ['Basics', 'account', 'warehouse', 'database', 'schema'],
      ['Sign-in', 'username', 'authentication', 'role'],
    ]);
    await page.screenshot({ path: `${SCREENSHOTS}/0-Snowflake.png`, fullPage: true });
    await type().selectOption({ label: 'PostgreSQL' });
  });

  test('a wrong password is seen live and at its field; mended, it is saved', { timeout: PATIENCE_MS }, async () => {
    const { hostname, port, username, password } = new URL(inject('postgresUrl'));
    await page.getByLabel('Label', { exact: true }).fill('Orders');
    await field('host').fill(hostname);
    await field('port').fill(port);
    await field('database').fill('postgres');
    await field('username').fill(username);
    await field('password').fill('mistyped');
    await field('tls_mode').selectOption({ label: 'No TLS: clear text' });
    await save();
    const checks = page.getByRole('list', { name: 'Connection test' });
    await expect.poll(() => checks.textContent(), { timeout: 60_000 }).toContain('failed');
    await page
      .locator('.rjsf-field', { has: field('password') })
      .last()
      .locator('.error-detail')
      .waitFor();
    await page.screenshot({ path: `${SCREENSHOTS}/1-failed.png`, fullPage: true });
    await field('password').fill(decodeURIComponent(password));
    await save();
    await page.getByRole('heading', { name: '1 datastore' }).waitFor();
    expect(await page.getByRole('region', { name: 'Datastores' }).textContent()).toContain('Orders');
    await page.screenshot({ path: `${SCREENSHOTS}/2-saved.png`, fullPage: true });
    expect(complaints).toEqual([]);
  });

  test('a certificate has a field of several lines', { timeout: PATIENCE_MS }, async () => {
    for (const name of ['tls_caCertificate', 'tls_clientCertificate'])
      expect(await field(name).evaluate(({ tagName }) => tagName), name).toBe('TEXTAREA');
    expect(await field('host').evaluate(({ tagName }) => tagName)).toBe('INPUT');
    expect(await field('tls_clientKey').getAttribute('type')).toBe('password');
  });

  test('every type has a form, on a phone too', { timeout: PATIENCE_MS }, async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const types = await type().locator('option').allTextContents();
    expect(types.length).toBeGreaterThan(20);
    for (const title of types) {
      await type().selectOption({ label: title });
      await save();
      // what is required is asked for before anything is sent
      await page.locator('.error-detail li').first().waitFor();
      for (const error of await page.locator('.error-detail li').allTextContents())
        expect(error, title).not.toMatch(/schema|propert(y|ies)/);
      const isLookedAt = ['Snowflake', 'PostgreSQL'].includes(title);
      if (isLookedAt) await page.screenshot({ path: `${SCREENSHOTS}/3-${title}.png`, fullPage: true });
    }
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(390);
    expect(complaints).toEqual([]);
  });
});
