/** The board of items as browser tests see it: its columns, its cards, and a card dragged by the mouse. */
import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';

export const column = (page: Page, stage: string): Locator => page.getByRole('region', { name: stage, exact: true });
export const card = (page: Page | Locator, title: string): Locator => page.getByRole('article', { name: title, exact: true });

export async function drag(page: Page, from: Locator, to: Locator): Promise<void> {
  const [start, end] = [await from.boundingBox(), await to.boundingBox()];
  assert.ok(start && end);
  await page.mouse.move(start.x + 40, start.y + 20);
  await page.mouse.down();
  await page.mouse.move(start.x + 60, start.y + 30);
  await page.mouse.move(end.x + end.width / 2, end.y + Math.min(end.height / 2, 160), { steps: 8 });
  await page.mouse.up();
}
