/**
 * A real Chromium for one test file, and people in it. Every person has a context of their own, as on a machine of their own.
 *
 *   const vestnik = await startTestVestnik({ services: { web: true, worker: true }, now: () => new Date() });
 *   const browser = await openBrowser(vestnik);
 *
 *   test('a deal moved in one window moves in the other', { skip: browser.missing }, async () => {
 *     const anna = await browser.signIn(vestnik.admin);
 *     await anna.goto('/crm');
 *     …
 *   });
 *
 * Pages that log an error, throw, or ask another host fail the test that uses them (`browser.faults()` is empty at the end).
 * Wait for what a person would see (`locator.waitFor`), never for time.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { after, afterEach } from 'node:test';
import axe, { type AxeResults } from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Somebody, TestVestnik } from './vestnik.ts';

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

export function findChromium(): string | undefined {
  return places.find((place): place is string => place !== undefined && existsSync(place));
}

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--font-render-hinting=none'];

export interface PersonOptions {
  language?: 'ru' | 'en';
  colorScheme?: 'light' | 'dark';
  /** 390 wide, with touch. */
  isPhone?: boolean;
  context?: BrowserContextOptions;
}

export interface TestBrowser {
  /** Why there is no browser, for `{ skip }`; false: there is one. */
  missing: string | false;
  /** Nobody is signed in. */
  stranger(options?: PersonOptions): Promise<Page>;
  signIn(as: Somebody, options?: PersonOptions): Promise<Page>;
  /** Serious findings of axe on what is on the screen, as sentences. */
  accessibility(page: Page): Promise<string[]>;
  /** What pages complained of so far: errors in the console, exceptions, requests to other hosts. */
  faults(): string[];
  /** For faults that a test causes on purpose. */
  expectFault(pattern: RegExp): void;
}

/** Chooses in an open list and waits until it is gone: closing, it gives the focus back, and would take it from a field that is being filled. */
export async function chooseOption(page: Page, option: string | RegExp): Promise<void> {
  await page.getByRole('option', { name: option, exact: true }).click();
  await page.getByRole('listbox').waitFor({ state: 'detached' });
}

/** What everybody but the administrator signs in with. */
const password = 'Синий кит поёт негромко';

export async function openBrowser(vestnik: Pick<TestVestnik, 'url' | 'api' | 'admin' | 'adminPassword'>): Promise<TestBrowser> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    assert.ok(process.env.CI === undefined, 'There is no Chromium here. Install the package chromium.');
    const refuse = (): never => {
      throw new Error('There is no browser.');
    };
    return { missing: 'there is no Chromium here', stranger: refuse, signIn: refuse, accessibility: refuse, faults: () => [], expectFault: () => {} };
  }

  let browser: Browser | undefined = await chromium.launch({ executablePath, args: flags });
  const contexts = new Set<BrowserContext>();
  const prepared = new Set<number>();
  let faults: string[] = [];
  let expected: RegExp[] = [];
  // Before the server stops, or it would wait for open sockets.
  after(async () => {
    await Promise.allSettled([...contexts].map((context) => context.close()));
    await browser?.close();
    browser = undefined;
  });
  afterEach(() => {
    const unexpected = faults.filter((fault) => !expected.some((pattern) => pattern.test(fault)));
    faults = [];
    expected = [];
    assert.deepEqual(unexpected, [], 'the pages complained');
  });

  async function open({ language = 'ru', colorScheme = 'light', isPhone = false, context: more = {} }: PersonOptions): Promise<{ page: Page; context: BrowserContext }> {
    const context = await browser!.newContext({
      baseURL: vestnik.url,
      locale: language === 'ru' ? 'ru-RU' : 'en-US',
      timezoneId: 'Europe/Moscow',
      colorScheme,
      viewport: isPhone ? { width: 390, height: 844 } : { width: 1440, height: 900 },
      ...(isPhone ? { hasTouch: true, isMobile: true, deviceScaleFactor: 2 } : {}),
      reducedMotion: 'reduce',
      ...more,
    });
    contexts.add(context);
    // Slow machines are slow; a test that hangs is ended by its own limit.
    context.setDefaultTimeout(30_000);
    context.on('page', (page) => watch(page));
    const page = await context.newPage();
    return { page, context };
  }

  function watch(page: Page): void {
    page.on('console', (message) => {
      // A refused request is logged by the browser itself; what the page does about it is what tests look at.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource') && !/WebSocket connection to/.test(message.text())) faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(String(error.stack ?? error)));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (/^https?:$|^wss?:$/.test(url.protocol) && url.host !== new URL(vestnik.url).host) faults.push(`a request to ${url.origin}`);
    });
  }

  return {
    missing: false,
    async stranger(options = {}) {
      return (await open(options)).page;
    },
    async signIn(as, options = {}) {
      const { page, context } = await open(options);
      const changes: Record<string, string> = options.language === undefined ? {} : { language: options.language };
      const isAdmin = as.id === vestnik.admin.id;
      // Once: a new password ends the sessions of pages that are still open.
      if (!isAdmin && !prepared.has(as.id)) changes.password = password;
      prepared.add(as.id);
      if (Object.keys(changes).length > 0) await vestnik.api(vestnik.admin).patch(`/api/employees/${as.id}`, changes);
      const { email } = await vestnik.api(vestnik.admin).get(`/api/employees/${as.id}`);
      const answer = await context.request.post('/api/session', { data: { email, password: isAdmin ? vestnik.adminPassword : password } });
      assert.ok(answer.ok(), await answer.text());
      return page;
    },
    async accessibility(page) {
      // In the page alone: inside a sandboxed preview no script runs, and waiting for one would never end.
      await page.evaluate(axe.source);
      const options = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], iframes: false };
      const { violations } = JSON.parse(await page.evaluate(`axe.run(document, ${JSON.stringify(options)}).then(JSON.stringify)`)) as AxeResults;
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        // The kit's own stops at the edges of its list of toasts: they send the focus on at once.
        .map((found) => ({ ...found, nodes: found.nodes.filter((node) => !node.html.startsWith('<span aria-hidden="true" tabindex="0" style="position: fixed; border: 0px; width: 1px;')) }))
        .flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help} — ${node.html.slice(0, 200)} — ${node.any.map((one) => one.message).join('; ')}`));
    },
    faults: () => [...faults],
    expectFault: (pattern) => {
      expected.push(pattern);
    },
  };
}

/** A picture of the page under VESTNIK_SCREENSHOTS, where that is set: for people who look at what tests saw. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.VESTNIK_SCREENSHOTS;
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
}
