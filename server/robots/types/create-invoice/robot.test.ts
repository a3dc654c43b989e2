import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedWith, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { createInvoice } from './robot.ts';

test('an invoice takes the amount of the item when none is given', async () => {
  const { asked, results } = await runRobot(createInvoice, { title: 'Счёт: {=Document:title}' });
  assert.deepEqual(asked, [{ what: 'invoice', title: 'Счёт: Крыша', amount: null, dueOn: null, as: null }]);
  assert.deepEqual(results, { invoiceId: 701, number: '45', link: 'https://vestnik.test/i/token' });
});

test('amount and payment date are typed or taken from fields', async () => {
  const cases = [
    [{ amount: 1000, dueOn: '2027-01-15' }, 1000, '2027-01-15'],
    [{ amount: '1 000,50', dueOn: ' 2027-01-15 ' }, 1000.5, '2027-01-15'],
    [{ amount: '{=Document:amount}', dueOn: '{=Document:closesOn}' }, 1_200_000, '2026-12-01'],
    // A moment counts as its day in the company: 22:15 in London is already the next day in Moscow.
    [{ amount: '', dueOn: '{=Document:UF_DELIVERY}' }, null, '2026-12-03'],
    [{ amount: '{=Document:parentId}', dueOn: '{=Document:beginsOn}' }, null, null],
  ] as const;
  for (const [settings, amount, dueOn] of cases) {
    assert.deepEqual(problemsOf(createInvoice, { title: 'Счёт', ...settings }), []);
    const { asked } = await runRobot(createInvoice, { title: 'Счёт', ...settings });
    assert.deepEqual([asked[0]?.amount, asked[0]?.dueOn], [amount, dueOn]);
  }
});

test('a field that holds neither is a failed run', async () => {
  await assert.rejects(runRobot(createInvoice, { title: 'Счёт', amount: '{=Document:title}' }), failedWith('robot.not_a_number', { value: 'Крыша' }));
  await assert.rejects(runRobot(createInvoice, { title: 'Счёт', dueOn: '{=Document:title}' }), failedWith('robot.not_a_day', { value: 'Крыша' }));
});

test('what is typed must be an amount and a day', () => {
  assert.deepEqual(problemsOf(createInvoice, { title: 'Счёт', amount: 'много', dueOn: '31 декабря' }),
    ['amount: setting.not_a_number', 'dueOn: setting.not_a_day']);
  assert.deepEqual(problemsOf(createInvoice, { title: 'Счёт', dueOn: '2026-02-31x' }), ['dueOn: setting.not_a_day']);
});
