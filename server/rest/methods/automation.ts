/** crm.automation.trigger.*: what applications and scripts tell triggers. */
import { RestError } from '../errors.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { optionalInteger, optionalText } from '../parameter.ts';
import { entityTypeId } from '../stages.ts';
import { readTarget } from '../outgoing.ts';
import type { FamilyDeps } from '../rest.ts';

const refused = (text: string) => new RestError('', text);

export function automationMethods({ db, crm, robots }: FamilyDeps): Method[] {
  const scope = 'crm';
  const adminsOnly = () => new RestError('ACCESS_DENIED', 'Access denied! Admin permissions required', 403);

  function appOf(call: Call) {
    if (!call.app) throw new RestError('ACCESS_DENIED', 'Access denied! Application context required', 403);
    if (!call.actor.isAdmin) throw adminsOnly();
    return { id: call.app.id, name: call.app.name };
  }

  function codeOf(raw: string | undefined): string {
    if (!raw) throw refused('Empty trigger code!');
    if (!/^[a-z0-9.\-_]{1,100}$/.test(raw)) throw refused('Wrong trigger code!');
    return raw;
  }

  return [
    defineMethod({
      name: 'crm.automation.trigger', scope, about: 'Tells webhook triggers with the code that something happened to the record.',
      params: { target: optionalText, code: optionalText },
      differs: 'Without a code it means webhook triggers that have none.',
      async run({ actor }, { target, code }) {
        if (!target) throw refused('Target is not set.');
        const { itemTypes } = await crm.model(db);
        if (!/^[A-Z][A-Z0-9_]*_\d{1,15}$/i.test(target.trim())) throw refused('Incorrect target format.');
        const found = readTarget(itemTypes, target);
        const item = found && (await crm.find(db, found.itemId));
        if (!found || item?.itemTypeId !== found.type.id) throw refused('Target is not found.');
        await robots.callByCode(actor, item.id, code ?? '');
        return { result: true };
      },
      errors: (error) => {
        if (error.code === 'access.denied') return new RestError('ACCESS_DENIED', 'Access denied! There are no permissions to update the object', 403);
        return error.code === 'request.not_found' ? refused('Target is not found.') : undefined;
      },
    }),
    defineMethod({
      name: 'crm.automation.trigger.add', scope, about: 'Registers a trigger of the application. Administrators.', params: { CODE: optionalText, NAME: optionalText },
      async run(call, { CODE, NAME }) {
        const app = appOf(call);
        const code = codeOf(CODE);
        if (!NAME?.trim()) throw refused('Empty trigger name!');
        await robots.appTriggers.add(call.actor, app, { code, name: NAME.trim() });
        return { result: true };
      },
    }),
    defineMethod({
      name: 'crm.automation.trigger.list', scope, about: 'The triggers the application has registered. Administrators.', params: {},
      async run(call) {
        const rows = await robots.appTriggers.list(appOf(call).id);
        return { result: rows.map(({ name, code }) => ({ NAME: name, CODE: code })) };
      },
    }),
    defineMethod({
      name: 'crm.automation.trigger.delete', scope, about: 'Takes back a trigger of the application. Administrators.', params: { CODE: optionalText },
      async run(call, { CODE }) {
        const app = appOf(call);
        if (!(await robots.appTriggers.remove(call.actor, app.id, codeOf(CODE)))) throw refused('Trigger not found');
        return { result: true };
      },
    }),
    defineMethod({
      name: 'crm.automation.trigger.execute', scope, about: 'Tells triggers that the event of the application happened to the record. Administrators.',
      params: { CODE: optionalText, OWNER_TYPE_ID: optionalInteger, OWNER_ID: optionalInteger },
      async run(call, { CODE, OWNER_TYPE_ID, OWNER_ID }) {
        const app = appOf(call);
        const code = codeOf(CODE);
        const known = await robots.appTriggers.list(app.id);
        if (!known.some((one) => one.code === code)) throw refused(`Trigger with code ${code} is not registered.`);
        const type = (await crm.model(db)).itemTypes.find((one) => entityTypeId(one) === OWNER_TYPE_ID);
        if (!type) throw refused('Incorrect parameter OWNER_TYPE_ID.');
        const item = OWNER_ID === undefined ? undefined : await crm.find(db, OWNER_ID);
        if (item?.itemTypeId !== type.id) throw refused('Incorrect parameter OWNER_ID.');
        await robots.appTriggers.execute(call.actor, app.id, code, item.id);
        return { result: true };
      },
    }),
  ];
}
