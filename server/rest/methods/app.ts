/** Methods of an application about itself: what it is, and what it keeps. */
import { entriesOf } from '../encoding.ts';
import { accessDenied, applicationRequired, argumentMissing, RestError } from '../errors.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { anything, optionalText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';

/** More than any application keeps of itself, and far below what would weigh. */
const maxOptions = 1000;
const maxOptionLength = 100_000;

export function appMethods({ db, people, options }: FamilyDeps): Method[] {
  /** One option or all; an unknown one is an empty text. */
  async function read(appId: number, employeeId: number, name: string | undefined) {
    const kept = await options.get(db, appId, employeeId);
    if (name !== undefined && name !== '') return { result: kept.get(name) ?? '' };
    return { result: kept.size === 0 ? [] : Object.fromEntries(kept) };
  }

  /** `{ options: { name: value } }`, or `option` and `value`. */
  async function write(appId: number, employeeId: number, given: { options: unknown; option: string | undefined; value: unknown }) {
    const entries = entriesOf(given.options) ?? (given.option ? [[given.option, given.value] as const] : undefined);
    if (!entries || entries.length === 0) throw argumentMissing('options');
    for (const [name, value] of entries) {
      if (name.length > 255 || JSON.stringify(value ?? null).length > maxOptionLength) throw new RestError('ERROR_ARGUMENT', `The option ${name.slice(0, 50)} is too long.`);
    }
    const kept = await options.get(db, appId, employeeId);
    if (new Set([...kept.keys(), ...entries.map(([name]) => name)]).size > maxOptions) throw new RestError('ERROR_ARGUMENT', `An application keeps at most ${maxOptions} options.`);
    await options.set(db, appId, employeeId, entries.map(([name, value]) => [name, value ?? null]));
    return { result: true };
  }

  const appOf = ({ app }: Call) => {
    if (!app) throw applicationRequired();
    return app.id;
  };

  return [
    defineMethod({
      name: 'app.info', scope: 'basic', about: 'The application that calls.', params: {}, context: 'app',
      async run(call) {
        const { company } = await people.directory(db);
        return {
          result: {
            ID: appOf(call), CODE: call.app?.clientId ?? '', VERSION: 1, STATUS: 'L', INSTALLED: true, PAYMENT_EXPIRED: 'N', DAYS: null,
            LANGUAGE_ID: company.language, LICENSE: `${company.language}_selfhosted`, LICENSE_TYPE: 'selfhosted', LICENSE_FAMILY: 'selfhosted',
          },
        };
      },
    }),
    defineMethod({
      name: 'app.option.get', scope: 'basic', about: 'What the application keeps: one option, or all.', params: { option: optionalText }, context: 'app',
      run: (call, { option }) => read(appOf(call), 0, option),
    }),
    defineMethod({
      name: 'app.option.set', scope: 'basic', about: 'Keeps options of the application. Administrators.', params: { options: anything, option: optionalText, value: anything },
      context: 'app', adminsOnly: () => accessDenied('Administrator authorization required'),
      run: (call, given) => write(appOf(call), 0, given),
    }),
    defineMethod({
      name: 'user.option.get', scope: 'basic', about: 'What the application keeps for the caller: one option, or all.', params: { option: optionalText }, context: 'app',
      run: (call, { option }) => read(appOf(call), call.actor.employeeId, option),
    }),
    defineMethod({
      name: 'user.option.set', scope: 'basic', about: 'Keeps options of the application for the caller.', params: { options: anything, option: optionalText, value: anything }, context: 'app',
      run: (call, given) => write(appOf(call), call.actor.employeeId, given),
    }),
  ];
}

