import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, inject, test, vi } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { describePeer } from '../support/peers/installed.ts';
import { startOpenIdPeer } from '../support/peers/openid-provider.ts';

const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
const SCREENSHOTS = 'coverage/graphiql';

const PATIENCE_MS = 240_000;
const WAIT = { timeout: 60_000 };

describePeer('GraphiQL in Chromium', { programs: ['chromium'], packages: ['chromium'] }, () => {
  let gateway: TestGateway;
  let browser: Browser;
  let page: Page;
  /** What the page asked for, and what it complained about. */
  let requests: string[];
  let complaints: string[];

  beforeAll(async () => {
    gateway = await startGateway();
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', ...QUIET],
    });
    await mkdir(SCREENSHOTS, { recursive: true });
  });

  afterAll(async () => {
    await browser?.close();
    await gateway?.close();
  });

  beforeEach(async () => {
    requests = [];
    complaints = [];
    const context = await browser.newContext({ viewport: { width: 1500, height: 950 } });
    page = await context.newPage();
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    return () => context.close();
  });

  /** What an editor shows; Monaco draws its spaces as non-breaking ones. */
  const textOf = async (editor: string) =>
    (await page.locator(`${editor} .view-lines`).textContent())?.replaceAll('\u00a0', ' ');
  const shows = (text: string) =>
    expect.poll(() => textOf('.graphiql-query-editor'), { timeout: 60_000 }).toContain(text);
  const open = async (url: string) => {
    await page.goto(url, { timeout: 120_000 });
    await shows('Datastore Gateway');
  };
  /** One click is to be enough: GraphiQL would let its tabs slide, and overlook the first one. */
  const openTab = async (name: string) => {
    await page.locator('.graphiql-tab-button', { hasText: name }).click();
    await expect.poll(() => page.locator('.graphiql-tab-active').textContent(), WAIT).toContain(name);
    // it reads the operation's name a moment after the editor has its text, and shows it nowhere
    await page.waitForTimeout(500);
  };
  const execute = () => page.locator('.graphiql-execute-button').click();
  const answered = (text: string) =>
    expect.poll(() => textOf('.graphiql-response'), { timeout: 60_000 }).toContain(text);

  async function setVariables(variables: unknown) {
    await page.locator('.graphiql-editor-tool .view-lines').first().click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.press('Delete');
    await page.keyboard.insertText(JSON.stringify(variables));
  }

  test(
    'the link opens it signed in; a query, a mutation and a subscription run; nothing is asked of anyone else',
    async () => {
      const postgres = new URL(inject('postgresUrl'));
      const link = gateway.app.issueSignInLink();
      await open(link);
      expect(page.url()).toBe(`${gateway.url}/graphql`);
      expect(await page.locator('#notice').count()).toBe(0);

      await execute();
      await answered('"GraphiQL session');
      await answered('"name": "default"');
      await page.screenshot({ path: `${SCREENSHOTS}/1-query.png` });

      await openTab('RegisterDatastore');
      const config = {
        host: postgres.hostname,
        port: Number(postgres.port),
        username: postgres.username,
        password: decodeURIComponent(postgres.password),
        database: 'postgres',
        tls: { mode: 'DISABLE' },
      };
      await setVariables({ input: { label: 'Orders', config: { postgres: config }, test: {} } });
      const reply = page.waitForResponse(
        (response) => response.request().postData()?.includes('RegisterDatastore') ?? false,
      );
      await execute();
      const { data } = (await (await reply).json()) as {
        data: { createDatastore: { datastore: { lastTest: { id: string } } } };
      };
      await answered('"CreateDatastoreSuccess"');
      await page.screenshot({ path: `${SCREENSHOTS}/2-mutation.png` });

      await openTab('TestProgress');
      await setVariables({ id: data.createDatastore.datastore.lastTest.id });
      await execute();
      await answered('"PASSED"');
      await page.screenshot({ path: `${SCREENSHOTS}/3-subscription.png` });

      await openTab('Datastores');
      // it takes GraphiQL a moment to see that another operation stands there
      await vi.waitFor(
        async () => {
          await execute();
          await expect.poll(() => textOf('.graphiql-response'), { timeout: 1_000 }).toContain('"label": "Orders"');
        },
        { timeout: 60_000 },
      );

      await page.getByRole('button', { name: 'Show History' }).click();
      const history = page.locator('.graphiql-history-items');
      await expect.poll(() => history.textContent(), WAIT).toMatch(/Datastores[\s\S]*RegisterDatastore/);
      await page.screenshot({ path: `${SCREENSHOTS}/4-history.png` });
      await page.getByRole('button', { name: 'Hide History' }).click();
      // the explorer is there beside it
      await page
        .getByRole('button', { name: /Explorer/ })
        .first()
        .waitFor();

      const others = requests.filter((url) => !url.startsWith(`${gateway.url}/`) && !/^(?:blob|data):/.test(url));
      expect(others).toEqual([]);
      expect(requests.length).toBeGreaterThan(5);
      expect(complaints).toEqual([]);
      // nothing that was typed, and no token, stays behind
      expect(page.url()).toBe(`${gateway.url}/graphql`);
      expect(await page.evaluate(() => Object.keys(localStorage))).toEqual([]);
      expect(gateway.log()).not.toContain(config.password);
    },
    PATIENCE_MS,
  );

  test(
    'a link that was used says what to do; a reload stays signed in',
    async () => {
      const link = gateway.app.issueSignInLink();
      await open(link);
      await page.reload();
      await shows('Datastore Gateway');
      await execute();
      await answered('"GraphiQL session');

      const context = await browser.newContext();
      const stranger = await context.newPage();
      await stranger.goto(link);
      await expect
        .poll(() => stranger.locator('#notice').textContent(), { timeout: 60_000 })
        .toContain('This link was used before');
      await context.close();
    },
    PATIENCE_MS,
  );

  test(
    'another window is signed in by the first one, and `/` leads there; what failed is seen without scrolling',
    async () => {
      await open(gateway.app.issueSignInLink());
      const first = page;
      page = await first.context().newPage();
      await page.setViewportSize({ width: 1440, height: 900 });
      await open(`${gateway.url}/`);
      expect(page.url()).toBe(`${gateway.url}/graphql`);
      expect(await page.locator('#notice').count()).toBe(0);
      await execute();
      await answered('"GraphiQL session');

      await openTab('RegisterDatastore');
      // nothing listens there: the example as it stands
      await execute();
      await answered('"CONNECTION_REFUSED"');
      const failure = page.locator('.graphiql-response .view-line', { hasText: '"hint"' }).first();
      // Monaco puts other lines in the place of those that it has drawn first
      const height = async () => (await failure.boundingBox())?.y ?? Number.POSITIVE_INFINITY;
      await expect.poll(height, { timeout: 60_000 }).toBeLessThan(900);
      await page.screenshot({ path: `${SCREENSHOTS}/4-failure.png` });
      // no variable that has a default is marked as missing
      expect(await page.locator('.graphiql-editor-tool .squiggly-error').count()).toBe(0);
    },
    PATIENCE_MS,
  );

  test(
    'a token that is pasted signs in, and another one is refused with the reason',
    async () => {
      await open(`${gateway.url}/graphql`);
      const box = page.getByLabel('API token');
      const use = page.getByRole('button', { name: 'Use this token' });
      await box.fill('dsg_wrong');
      await use.click();
      await expect.poll(() => page.locator('#notice').textContent(), { timeout: 60_000 }).toContain('token');
      expect(await page.locator('#notice').textContent()).not.toContain('Not signed in');
      complaints = complaints.filter((complaint) => !complaint.includes('401'));
      await box.fill(gateway.token);
      await Promise.all([page.waitForEvent('load'), use.click()]);
      await shows('Datastore Gateway');
      expect(await page.locator('#notice').count()).toBe(0);
      await execute();
      await answered('"name": "default"');
      expect(complaints).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'without a link a token from the Headers tab signs in',
    async () => {
      await open(`${gateway.url}/graphql`);
      await expect.poll(() => page.locator('#notice').textContent(), { timeout: 60_000 }).toContain('Not signed in');
      await page.getByRole('button', { name: 'Headers' }).click();
      await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').click();
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.insertText(JSON.stringify({ authorization: `Bearer ${gateway.token}` }));
      await execute();
      await answered('"name": "default"');
      const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
      expect(kept).not.toContain(gateway.token);
      // what ran before can be picked again, and brings no header back
      await page.getByRole('button', { name: 'Show History' }).click();
      const picked = page.locator('.graphiql-history-item-label').first();
      await picked.click();
      const headers = page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines');
      await expect.poll(() => headers.textContent(), WAIT).not.toContain('Bearer');
    },
    PATIENCE_MS,
  );

  test(
    'a person signs in at an OpenID provider, and is back where the button was',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'gateway-graphiql-'));
      const rulesFile = join(folder, 'rules.json');
      await writeFile(
        rulesFile,
        '[{ "claim": "name", "has": "Ann", "scopes": ["DATASTORES_READ"], "environments": "all" }]',
      );
      const provider = await startOpenIdPeer({ ann: { name: 'Ann' } }, 'http://127.0.0.1/');
      const { issuer, audience, clientId } = provider;
      const openId = { issuer, audience, clientId, rulesFile, clientSecret: undefined };
      const own = await startGateway({ openId });
      try {
        provider.redirectTo(`${own.url}/graphql`);
        // the provider's development pages ask for a font from elsewhere
        await page.route(
          ({ hostname }) => hostname !== '127.0.0.1',
          (route) => route.abort(),
        );
        await open(`${own.url}/graphql`);
        await page.locator('#notice button', { hasText: `Sign in at ${new URL(issuer).host}` }).click();
        await page.locator('input[name="login"]').fill('ann');
        await page.locator('input[name="password"]').fill('any');
        await page.locator('button[type="submit"]').click();
        await page.locator('button[type="submit"]').click();
        await shows('Datastore Gateway');
        expect(page.url()).toBe(`${own.url}/graphql`);
        expect(await page.locator('#notice').count()).toBe(0);
        await execute();
        await answered('"Ann (ann)"');
        await page.screenshot({ path: `${SCREENSHOTS}/openid.png` });
      } finally {
        await Promise.all([own.close(), provider.close(), rm(folder, { recursive: true })]);
      }
    },
    PATIENCE_MS,
  );
});
