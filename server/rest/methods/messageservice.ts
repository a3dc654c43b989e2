/** messageservice.*: SMS senders that applications bring, and what became of their messages. */
import { localName } from '../../robots/robots.ts';
import { accessDenied, applicationRequired, RestError } from '../errors.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { anything, isMissing, optionalText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';
import { namesOf } from './bizproc.ts';

const invalid = (text: string) => new RestError('ERROR_SENDER_VALIDATION_FAILURE', text);
const states = { queued: 'accepted', sent: 'accepted', delivered: 'delivered', undelivered: 'failed', failed: 'failed' } as const;
type Status = keyof typeof states;
const isStatus = (status: string): status is Status => Object.hasOwn(states, status);

export function messageserviceMethods({ db, people, sms, outgoing }: FamilyDeps): Method[] {
  const scope = 'messageservice';

  function appOf(call: Call): NonNullable<Call['app']> {
    if (!call.app) throw applicationRequired();
    if (!call.actor.isAdmin) throw accessDenied();
    return call.app;
  }

  function codeOf(raw: string | undefined): string {
    if (!raw) throw invalid('Empty sender code!');
    if (!/^[a-zA-Z0-9.\-_]{1,100}$/.test(raw)) throw invalid('Wrong sender code!');
    return raw;
  }

  async function nameOf(raw: unknown): Promise<string> {
    const names = namesOf(raw);
    if (Object.keys(names).length === 0) throw invalid('Empty sender NAME!');
    return localName(names, (await people.directory(db)).company.language);
  }

  async function handlerOf(raw: string | undefined): Promise<string> {
    const problem = await outgoing().checkHandler(raw ?? '');
    if (problem === 'wrong_protocol') throw new RestError('ERROR_UNSUPPORTED_PROTOCOL', 'Unsupported handler protocol');
    if (problem) throw new RestError('ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
    return raw ?? '';
  }

  return [
    defineMethod({
      name: 'messageservice.sender.add', scope, about: 'Makes the application an SMS provider. Administrators.',
      params: { CODE: optionalText, TYPE: optionalText, HANDLER: optionalText, NAME: anything, DESCRIPTION: anything },
      differs: 'The description is read and not kept. A message that may have been sent is never sent again by itself.',
      async run(call, given) {
        const app = appOf(call);
        const code = codeOf(given.CODE);
        if (!given.TYPE) throw invalid('Empty sender message TYPE!');
        if (given.TYPE.toUpperCase() !== 'SMS') throw invalid('Unknown sender message TYPE!');
        const name = await nameOf(given.NAME);
        const handler = await handlerOf(given.HANDLER);
        const isNew = await sms.appSenders.add(call.actor, { appId: app.id, code, handler, employeeId: call.actor.employeeId, name });
        if (!isNew) throw new RestError('ERROR_SENDER_ALREADY_INSTALLED', 'Sender already installed!');
        return { result: true };
      },
    }),
    defineMethod({
      name: 'messageservice.sender.update', scope, about: 'Changes an SMS provider of the application. Administrators.',
      params: { CODE: optionalText, HANDLER: optionalText, NAME: anything, DESCRIPTION: anything },
      async run(call, given) {
        const app = appOf(call);
        if (!given.CODE) throw new RestError('ERROR_SENDER_CODE_REQUIRED', 'CODE is required!');
        if (isMissing(given.HANDLER) && isMissing(given.NAME) && isMissing(given.DESCRIPTION)) throw new RestError('ERROR_SENDER_OTHER_PARAMS_REQUIRED', 'At least one other parameter is required!');
        const change = {
          ...(isMissing(given.HANDLER) ? {} : { handler: await handlerOf(given.HANDLER) }), ...(isMissing(given.NAME) ? {} : { name: await nameOf(given.NAME) }),
        };
        if (!(await sms.appSenders.change(call.actor, app.id, given.CODE, change))) throw new RestError('ERROR_SENDER_NOT_FOUND', 'Sender not found!');
        return { result: true };
      },
    }),
    defineMethod({
      name: 'messageservice.sender.list', scope, about: 'The codes of the SMS providers of the application. Administrators.', params: {},
      run: async (call) => ({ result: (await sms.appSenders.list(appOf(call).id)).map(({ code }) => code) }),
    }),
    defineMethod({
      name: 'messageservice.sender.delete', scope, about: 'Takes an SMS provider of the application away. Administrators.', params: { CODE: optionalText },
      async run(call, { CODE }) {
        const app = appOf(call);
        if (!(await sms.appSenders.remove(call.actor, app.id, codeOf(CODE)))) throw new RestError('ERROR_SENDER_NOT_FOUND', 'Sender not found!');
        return { result: true };
      },
    }),
    defineMethod({
      name: 'messageservice.message.status.update', scope, about: 'Tells what became of a message that the application sent.',
      params: { CODE: optionalText, MESSAGE_ID: optionalText, STATUS: optionalText },
      async run(call, { CODE, MESSAGE_ID, STATUS = '' }) {
        const app = appOf(call);
        const code = codeOf(CODE);
        if (!isStatus(STATUS)) throw new RestError('ERROR_MESSAGE_STATUS_INCORRECT', 'Message status incorrect!');
        if (!(await sms.appSenders.report(app.id, code, MESSAGE_ID ?? '', states[STATUS]))) throw new RestError('ERROR_MESSAGE_NOT_FOUND', 'Message not found!');
        return { result: true };
      },
    }),
  ];
}
