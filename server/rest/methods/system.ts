/** Methods about the portal, its methods, and who calls. */
import { defineMethod, type Method } from '../method.ts';
import { flag, optionalText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';

export function systemMethods({ db, people, catalogue }: FamilyDeps): Method[] {
  return [
    defineMethod({
      name: 'profile', scope: 'basic', about: 'Who the caller acts as.', params: {},
      async run({ actor }) {
        const employee = (await people.directory(db)).employee(actor.employeeId);
        return {
          result: {
            ID: String(actor.employeeId), ADMIN: actor.isAdmin, NAME: employee?.firstName ?? '', LAST_NAME: employee?.lastName ?? '',
            PERSONAL_GENDER: '', PERSONAL_PHOTO: null, TIME_ZONE: actor.timeZone,
          },
        };
      },
    }),
    defineMethod({
      name: 'server.time', scope: 'basic', about: 'The time of the server.', params: {},
      run: ({ now }) => ({ result: `${now.toISOString().slice(0, 19)}+00:00` }),
    }),
    defineMethod({
      name: 'scope', scope: 'basic', about: 'The scopes of the caller, or all.', params: { full: flag },
      run: ({ scopes }, { full }) => ({ result: [...(full ? catalogue().scopes : scopes)].filter((scope) => scope !== 'basic').sort() }),
    }),
    defineMethod({
      name: 'methods', scope: 'basic', about: 'The methods the caller may call, those of a scope, or all.', params: { full: flag, scope: optionalText },
      run({ scopes }, { full, scope }) {
        const { methods } = catalogue();
        const wanted = scope === undefined ? undefined : scope === '' ? 'basic' : scope;
        const fits = (method: Method) => (wanted === undefined ? full || method.scopes.some((one) => scopes.has(one)) : method.scopes.includes(wanted));
        return { result: ['batch', ...methods.filter(fits).map((method) => method.key)].filter((name) => name !== 'batch' || wanted === undefined || wanted === 'basic') };
      },
    }),
    defineMethod({
      name: 'method.get', scope: 'basic', about: 'Whether a method exists, and whether the caller may call it.', params: { name: optionalText },
      run({ scopes, app }, { name = '' }) {
        const method = catalogue().find(name);
        const isBatch = name.toLowerCase() === 'batch';
        return {
          result: {
            isExisting: isBatch || method !== undefined,
            isAvailable: isBatch || (method !== undefined && method.scopes.some((one) => scopes.has(one)) && (method.context !== 'app' || app !== null)),
          },
        };
      },
    }),
    defineMethod({
      name: 'user.admin', scope: 'basic', about: 'Whether the caller is an administrator.', params: {},
      run: ({ actor }) => ({ result: actor.isAdmin }),
    }),
    defineMethod({
      name: 'feature.get', scope: 'basic', about: 'Whether the portal has a feature of a paid plan; there are no plans here.', params: { code: optionalText },
      run: () => ({ result: { value: 'Y' } }),
    }),
  ];
}
