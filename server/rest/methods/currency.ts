/** crm.currency.*: records keep any currency code; the company has one of its own. There are no rates. */
import type { Entities } from '../entities.ts';
import { crmErrors, RestError } from '../errors.ts';
import { defineMethod, type Method } from '../method.ts';
import { optionalMap, text } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';

const usual = ['RUB', 'USD', 'EUR', 'BYN', 'KZT', 'UAH', 'GBP', 'CNY', 'TRY'];

export function currencyMethods({ people }: FamilyDeps, entities: Entities): Method[] {
  const scope = 'crm';
  const errors = crmErrors;
  const differs = 'There are no rates: AMOUNT is always 1.';

  function shown(code: string, base: string, language: string, index: number) {
    const name = new Intl.DisplayNames(language, { type: 'currency' }).of(code) ?? code;
    return { CURRENCY: code, AMOUNT_CNT: '1', AMOUNT: '1.0000', SORT: String((index + 1) * 100), BASE: code === base ? 'Y' : 'N', FULL_NAME: name, LID: language, FORMAT_STRING: '# ' + code, DEC_POINT: '.', THOUSANDS_SEP: ' ', DECIMALS: '2' };
  }
  async function all() {
    const { company } = await entities.view();
    return [...new Set([company.currency, ...usual])].map((code, index) => shown(code, company.currency, company.language, index));
  }

  return [
    defineMethod({ name: 'crm.currency.list', scope, errors, differs, about: 'The usual currencies, the company’s first.', params: { order: optionalMap() }, run: async () => {
      const rows = await all();
      return { result: rows, total: rows.length };
    } }),
    defineMethod({ name: 'crm.currency.get', scope, errors, differs, about: 'One currency.', params: { id: text(() => new RestError('', 'The parameter id is not defined or invalid.')) }, run: async (_call, { id }) => {
      const found = (await all()).find((one) => one.CURRENCY === id.toUpperCase());
      if (!found) throw new RestError('', 'Not found');
      return { result: found };
    } }),
    defineMethod({ name: 'crm.currency.fields', scope, errors, about: 'The fields of a currency.', params: {}, run: async () => {
      const [first] = await all();
      return { result: Object.fromEntries(Object.keys(first ?? {}).map((name) => [name, { type: 'string', isRequired: false, isReadOnly: true, isImmutable: false, isMultiple: false, isDynamic: false }])) };
    } }),
    defineMethod({ name: 'crm.currency.base.get', scope, errors, about: 'The company’s currency.', params: {}, run: async () => ({ result: (await entities.view()).company.currency }) }),
    defineMethod({ name: 'crm.currency.base.set', scope, errors, about: 'Changes the company’s currency. Administrators.', params: { id: text() }, run: async ({ actor }, { id }) => {
      const currency = id.toUpperCase();
      if (!Intl.supportedValuesOf('currency').includes(currency)) throw new RestError('', 'Not found');
      await people.changeCompany(actor, { currency });
      return { result: true };
    } }),
  ];
}
