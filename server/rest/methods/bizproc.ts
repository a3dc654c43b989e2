/** bizproc.*: robots of applications, and their answers. */
import { type AppProperty, type AppPropertyType, type AppRobotRow, appPropertyTypes } from '../../robots/robots.ts';
import type { UserError } from '../../../shared/errors.ts';
import { entriesOf } from '../encoding.ts';
import { accessDenied, applicationRequired, RestError } from '../errors.ts';
import { type Call, defineMethod, type Method } from '../method.ts';
import { anything, isMissing, optionalInteger, optionalText, toFlag, toInteger, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';

const invalid = (text: string) => new RestError('ERROR_ACTIVITY_VALIDATION_FAILURE', text);
const propertyKey = /^[A-Za-z][A-Za-z0-9_]{0,99}$/;
const maxProperties = 100;
const maxOptions = 500;

export function bizprocMethods({ db, people, robots, outgoing }: FamilyDeps): Method[] {
  const scope = 'bizproc';

  function appOf(call: Call): NonNullable<Call['app']> {
    if (!call.app) throw applicationRequired();
    if (!call.actor.isAdmin) throw accessDenied();
    return call.app;
  }

  function codeOf(raw: string | undefined): string {
    if (!raw) throw invalid('Empty activity code!');
    if (!/^[a-zA-Z0-9.\-_]{1,100}$/.test(raw)) throw invalid('Wrong activity code!');
    return raw;
  }

  async function handlerOf(raw: string | undefined): Promise<string> {
    const problem = await outgoing().checkHandler(raw ?? '');
    if (problem === 'wrong_protocol') throw new RestError('ERROR_UNSUPPORTED_PROTOCOL', 'Unsupported handler protocol');
    if (problem) throw new RestError('ERROR_WRONG_HANDLER_URL', 'Wrong handler URL');
    return raw ?? '';
  }

  async function employeeOf(raw: number | undefined, otherwise: number | null): Promise<number | null> {
    if (raw === undefined || raw <= 0) return otherwise;
    const employee = (await people.directory(db)).employee(raw);
    if (!employee || employee.dismissedAt) throw invalid('Wrong AUTH_USER_ID!');
    return employee.id;
  }

  const answerer = {
    scope, about: '', errors: (error: UserError) => (error.code === 'access.denied' ? accessDenied() : undefined),
  };

  return [
    defineMethod({
      name: 'bizproc.robot.add', scope, about: 'Puts a robot of the application into the catalogue. Administrators.',
      params: {
        CODE: optionalText, HANDLER: optionalText, AUTH_USER_ID: optionalInteger, USE_SUBSCRIPTION: anything, NAME: anything, DESCRIPTION: anything,
        PROPERTIES: anything, RETURN_PROPERTIES: anything, DOCUMENT_TYPE: anything, FILTER: anything,
      },
      differs: 'USE_PLACEMENT is not there: an application has no pages here. DOCUMENT_TYPE and FILTER are checked and limit nothing.',
      async run(call, given) {
        const app = appOf(call);
        const code = codeOf(given.CODE);
        const handler = await handlerOf(given.HANDLER);
        const names = namesOf(given.NAME);
        if (Object.keys(names).length === 0) throw invalid('Empty activity NAME!');
        checkDocument(given.DOCUMENT_TYPE, given.FILTER);
        const row: AppRobotRow = {
          appId: app.id, code, appName: app.name, handler, employeeId: await employeeOf(given.AUTH_USER_ID, call.actor.employeeId),
          waitsForAnswer: waits(given.USE_SUBSCRIPTION), names, descriptions: namesOf(given.DESCRIPTION),
          properties: propertiesOf(given.PROPERTIES), results: propertiesOf(given.RETURN_PROPERTIES),
        };
        if (!(await robots.appRobots.add(call.actor, row))) throw new RestError('ERROR_ACTIVITY_ALREADY_INSTALLED', 'Activity or Automation rule already installed!');
        return { result: true };
      },
    }),
    defineMethod({
      name: 'bizproc.robot.update', scope, about: 'Changes a robot of the application. Administrators.', params: { CODE: optionalText, FIELDS: anything },
      async run(call, { CODE, FIELDS }) {
        const app = appOf(call);
        const code = codeOf(CODE);
        const fields = new Map((entriesOf(FIELDS) ?? []).map(([name, value]) => [name.toUpperCase(), value]));
        const known = ['HANDLER', 'AUTH_USER_ID', 'USE_SUBSCRIPTION', 'NAME', 'DESCRIPTION', 'PROPERTIES', 'RETURN_PROPERTIES', 'DOCUMENT_TYPE', 'FILTER'];
        if (!known.some((name) => fields.has(name))) throw invalid('No fields to update');
        const handler = fields.has('HANDLER') ? await handlerOf(toText(fields.get('HANDLER'))) : undefined;
        const employeeId = fields.has('AUTH_USER_ID') ? await employeeOf(toInteger(fields.get('AUTH_USER_ID')), call.actor.employeeId) : undefined;
        const names = fields.has('NAME') ? namesOf(fields.get('NAME')) : undefined;
        if (names && Object.keys(names).length === 0) throw invalid('Empty activity NAME!');
        checkDocument(fields.get('DOCUMENT_TYPE'), fields.get('FILTER'));
        const change: Partial<AppRobotRow> = {
          ...(handler === undefined ? {} : { handler }), ...(employeeId === undefined ? {} : { employeeId }), ...(names ? { names } : {}),
          ...(fields.has('USE_SUBSCRIPTION') ? { waitsForAnswer: waits(fields.get('USE_SUBSCRIPTION')) } : {}),
          ...(fields.has('DESCRIPTION') ? { descriptions: namesOf(fields.get('DESCRIPTION')) } : {}),
          ...(fields.has('PROPERTIES') ? { properties: propertiesOf(fields.get('PROPERTIES')) } : {}),
          ...(fields.has('RETURN_PROPERTIES') ? { results: propertiesOf(fields.get('RETURN_PROPERTIES')) } : {}),
        };
        const isThere = await robots.appRobots.change(call.actor, app.id, code, (before) => ({ ...before, ...change }));
        if (!isThere) throw new RestError('ERROR_ACTIVITY_NOT_FOUND', 'Activity or Automation Rule not found!');
        return { result: true };
      },
    }),
    defineMethod({
      name: 'bizproc.robot.list', scope, about: 'The codes of the robots the application has registered. Administrators.', params: {},
      run: async (call) => ({ result: (await robots.appRobots.list(appOf(call).id)).map(({ code }) => code) }),
    }),
    defineMethod({
      name: 'bizproc.robot.delete', scope, about: 'Takes a robot of the application out of the catalogue. Administrators.', params: { CODE: optionalText },
      async run(call, { CODE }) {
        const app = appOf(call);
        if (!(await robots.appRobots.remove(call.actor, app.id, codeOf(CODE)))) throw new RestError('ERROR_ACTIVITY_NOT_FOUND', 'Activity or Robot not found!');
        return { result: true };
      },
    }),
    defineMethod({
      ...answerer, name: 'bizproc.event.send', about: 'Answers a run of a robot that waits for the application.',
      params: { EVENT_TOKEN: optionalText, RETURN_VALUES: anything, LOG_MESSAGE: optionalText },
      async run(call, { EVENT_TOKEN = '', RETURN_VALUES, LOG_MESSAGE = '' }) {
        const appId = call.app?.id ?? null;
        await robots.appRobots.answer({ token: EVENT_TOKEN, appId, returned: entriesOf(RETURN_VALUES) ?? [], logged: LOG_MESSAGE });
        return { result: true };
      },
    }),
    defineMethod({
      ...answerer, name: 'bizproc.activity.log', about: 'Writes a line to a run that waits for the application.', params: { EVENT_TOKEN: optionalText, LOG_MESSAGE: optionalText },
      async run(call, { EVENT_TOKEN = '', LOG_MESSAGE }) {
        if (!LOG_MESSAGE?.trim()) throw new RestError('ERROR_EMPTY_LOG_MESSAGE', 'Empty log message!');
        await robots.appRobots.log({ token: EVENT_TOKEN, appId: call.app?.id ?? null, logged: LOG_MESSAGE });
        return { result: true };
      },
    }),
  ];
}

/** Only an explicit no does not wait. */
function waits(raw: unknown): boolean {
  return isMissing(raw) || toFlag(raw);
}

/** 'Name', or { ru: 'Имя', en: 'Name' }. */
export function namesOf(raw: unknown): Record<string, string> {
  const entries = entriesOf(raw) ?? [['', raw] as const];
  return Object.fromEntries(entries.flatMap(([language, value]) => {
    const name = toText(value)?.trim().slice(0, 1000);
    return name && /^[a-z_]{0,10}$/i.test(language) ? [[language.toLowerCase(), name]] : [];
  }));
}

function checkDocument(type: unknown, filter: unknown): void {
  const parts = isMissing(type) ? undefined : entriesOf(type);
  if (!isMissing(type) && (parts?.length !== 3 || parts.some(([, part]) => !toText(part)))) throw invalid('Wrong activity DOCUMENT_TYPE!');
  if (!isMissing(filter) && !entriesOf(filter)) throw invalid('Wrong activity FILTER!');
}

function propertiesOf(raw: unknown): AppProperty[] {
  if (isMissing(raw)) return [];
  const entries = entriesOf(raw);
  if (!entries || entries.length > maxProperties) throw invalid('Wrong properties array!');
  return entries.map(([id, value]) => propertyOf(id, value));
}

function propertyOf(id: string, raw: unknown): AppProperty {
  const entries = entriesOf(raw);
  if (!propertyKey.test(id)) throw invalid(`Wrong property key ${id.slice(0, 100)}!`);
  const given = new Map((entries ?? []).map(([name, value]) => [name.toLowerCase(), value]));
  const names = namesOf(given.get('name'));
  if (Object.keys(names).length === 0) throw invalid(`Empty property NAME ${id}!`);
  const options = (entriesOf(given.get('options')) ?? []).slice(0, maxOptions).map(([value, name]) => ({ value, name: toText(name) ?? value }));
  const preset = toText(given.get('default'));
  return {
    id, names, descriptions: namesOf(given.get('description')), type: typeOf(toText(given.get('type'))), isRequired: toFlag(given.get('required')),
    isMultiple: toFlag(given.get('multiple')), options, preset: preset ?? null,
  };
}

/** What we do not know is a text: files and sums travel as texts, too. */
function typeOf(raw = ''): AppPropertyType {
  const named = raw.trim().toLowerCase();
  const aliases: Readonly<Record<string, AppPropertyType>> = { integer: 'int', boolean: 'bool', float: 'double', enumeration: 'select', employee: 'user' };
  return appPropertyTypes.find((type) => type === named) ?? aliases[named] ?? 'string';
}
