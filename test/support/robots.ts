/**
 * For the tests of robot types: a small company in memory, and a RobotContext that remembers what a
 * robot asked of it. Everything on the robot's side is real: its settings, fields, placeholders,
 * expansion of recipients. Only the far edge, what the engine turns into rows, is written down instead.
 */
import type { ResolveScope, SettingsEnv } from '../../server/robots/field.ts';
import { fieldCatalog } from '../../server/robots/fields.ts';
import { RobotFailure, type RobotContext, type RobotType } from '../../server/robots/robot.ts';
import { idOf, type ValueSource } from '../../server/robots/values.ts';
import type { CrmModel, Field } from '../../server/crm/crm.ts';
import { expandRecipients, fullName, type Employee } from '../../server/people/people.ts';
import { buildDirectory } from '../../server/people/directory.ts';

const now = new Date('2026-11-24T21:30:00Z');

function employee(id: number, firstName: string, lastName: string, rest: Partial<Employee> = {}): Employee {
  return {
    id, firstName, lastName, secondName: '', email: `${id}@vestnik.test`, position: '', mobilePhone: `+7900000000${id}`, workPhone: null,
    language: 'ru', timeZone: 'Europe/Moscow', photoFileId: null, isAdmin: false, dismissedAt: null, ...rest,
  };
}

/** Who is who in the tests. `owner` of the item sits in the department whose head is `ownerHead`. */
export const people = { director: 1, owner: 2, ownerHead: 3, lawyer: 4, dismissed: 5, observer: 6, english: 7 } as const;
export const departments = { company: 1, sales: 2, legal: 3, empty: 4 } as const;
export const ids = { item: 12, chat: 77, file: 31, mailSender: 91, smsProvider: 92, chatRobot: 41 } as const;

const directory = buildDirectory({
  version: 1,
  employees: [
    employee(people.director, 'Олег', 'Главный'),
    employee(people.owner, 'Анна', 'Смирнова'),
    employee(people.ownerHead, 'Борис', 'Котов'),
    employee(people.lawyer, 'Вера', 'Ким'),
    employee(people.dismissed, 'Пётр', 'Ильин', { dismissedAt: new Date('2026-01-01T00:00:00Z') }),
    employee(people.observer, 'Глеб', 'Юрьев'),
    employee(people.english, 'Emma', 'Stone', { language: 'en', timeZone: 'Europe/London' }),
  ],
  departments: [
    { id: departments.company, parentId: null, name: 'Компания', position: 1 },
    { id: departments.sales, parentId: departments.company, name: 'Отдел продаж', position: 2 },
    { id: departments.legal, parentId: departments.company, name: 'Юридический отдел', position: 3 },
    { id: departments.empty, parentId: departments.company, name: 'Склад', position: 4 },
  ],
  members: [
    { departmentId: departments.company, employeeId: people.director, role: 'head' },
    { departmentId: departments.sales, employeeId: people.ownerHead, role: 'head' },
    { departmentId: departments.sales, employeeId: people.owner, role: 'employee' },
    { departmentId: departments.sales, employeeId: people.dismissed, role: 'employee' },
    { departmentId: departments.sales, employeeId: people.english, role: 'employee' },
    { departmentId: departments.legal, employeeId: people.lawyer, role: 'head' },
  ],
  company: undefined,
  days: [],
  absences: [],
});

function ownField(id: number, code: string, name: string, type: Field['type'], rest: Partial<Field> = {}): Field {
  return {
    id, entity: 'item', itemTypeId: 1, code, name, type, isMultiple: false, isRequired: false, requiredStageIds: [], isIndexed: false,
    settings: {}, position: id, deletedAt: null, ...rest,
  };
}
const ownFields = [
  ownField(1, 'UF_CHAT', 'ID группового чата', 'string'),
  ownField(2, 'UF_FILES', 'Документы', 'file', { isMultiple: true }),
  ownField(3, 'UF_LAWYER', 'Юрист', 'employee'),
  ownField(4, 'UF_DELIVERY', 'Доставка', 'datetime'),
];
const model: CrmModel = {
  version: 1, itemTypes: [], pipelines: [],
  itemType: () => undefined, itemTypeByCode: () => undefined, pipeline: () => undefined, pipelinesOf: () => [], stage: () => undefined,
  fieldsOf: (itemTypeId) => (itemTypeId === 1 ? ownFields : []),
  field: (_itemTypeId, code) => ownFields.find((field) => field.code.toLowerCase() === code.toLowerCase()),
  clientFields: () => [], clientField: () => undefined,
};
const fields = fieldCatalog(model, 1, 'ru');

/** What the company has: see `ids`, `people`, `departments`. */
export const env: SettingsEnv = {
  directory,
  references: {
    field: (reference) => (reference.source === 'document' ? fields.document(reference.code) : reference.source === 'owner' ? fields.owner(reference.code)
      : reference.source === 'contact' || reference.source === 'company' ? fields.client(reference.source, reference.code) : undefined),
    robot: (id) => (id === ids.chatRobot
      ? { title: 'Создать групповой чат', isBefore: true, result: (name) => (name === 'chatId' ? { name: 'ID чата', kind: 'chat' } : undefined) }
      : undefined),
  },
  field: (code) => fields.document(code),
  hasChat: (id) => id === ids.chat,
  hasFile: (id) => id === ids.file,
  hasMailSender: (id) => id === null || id === ids.mailSender,
  hasSmsProvider: (id) => id === null || id === ids.smsProvider,
};

const itemValues: Readonly<Record<string, unknown>> = {
  id: ids.item, title: 'Крыша', amount: 1_200_000, currency: 'RUB', stageId: 5, pipelineId: 1, ownerId: people.owner, creatorId: people.director,
  observerIds: [people.observer], contactId: 8, companyId: null, beginsOn: null, closesOn: '2026-12-01', createdAt: now, updatedAt: now,
  movedAt: now, parentId: null, link: 'https://vestnik.test/items/12', UF_CHAT: String(ids.chat), UF_FILES: [ids.file, 32], UF_LAWYER: people.lawyer,
  UF_DELIVERY: '2026-12-02T22:15:00.000Z',
};
const contactValues: Readonly<Record<string, unknown>> = { name: 'Иван Петров', phone: ['+79001234567'], email: ['ivan@client.test'] };

/** Something a robot asked of its context, texts filled in. */
export interface Asked {
  what: string;
  [detail: string]: unknown;
}

export interface Ran {
  results: Record<string, unknown>;
  asked: Asked[];
  notes: { code: string; params: Record<string, unknown> }[];
}

export interface Given {
  /** Fields of the item that differ. */
  item?: Readonly<Record<string, unknown>>;
  /** What the write path answers to a change; '' or absent: all went well. */
  refusal?: string;
  /** What the context answers a question about chats with. */
  chatFailure?: RobotFailure;
}

/** The problems of saved settings, as `path: code`. */
export function problemsOf(type: RobotType, settings: unknown): string[] {
  return type.check(settings, env).map((problem) => `${problem.path}: ${problem.code}`);
}

/** Runs a robot once for the item. The settings need not have passed `check`: a company changes after that. */
export async function runRobot(type: RobotType, settings: unknown, given: Given = {}): Promise<Ran> {
  const values = { ...itemValues, ...given.item };
  const read = (code: string) => (Object.hasOwn(values, code) ? values[code] : null);
  const ownerId = idOf(values.ownerId) ?? null;
  const asked: Asked[] = [];
  const notes: Ran['notes'] = [];
  const ask = (what: string, details: Record<string, unknown>) => asked.push({ what, ...details });
  const note = (code: string, params: Record<string, unknown> = {}) => notes.push({ code, params });

  const source: ValueSource = {
    now,
    document: (code) => {
      const field = fields.document(code);
      return field && { field, value: read(field.code) };
    },
    client: (which, code) => {
      const field = which === 'contact' ? fields.client(which, code) : undefined;
      return field && { field, value: contactValues[field.code] ?? null };
    },
    owner: (code) => {
      const field = fields.owner(code);
      const owner = ownerId === null ? undefined : directory.employee(ownerId);
      return field && owner && { field, value: { ...owner, name: fullName(owner) }[field.code as keyof typeof owner] ?? null };
    },
    result: (robotId, name) => (robotId === ids.chatRobot && name === 'chatId' ? { kind: 'chat', value: ids.chat } : undefined),
    timeZones: { company: 'Europe/Moscow', owner: 'Europe/Moscow' },
    names: {
      employee: (id) => {
        const found = directory.employee(id);
        return found && fullName(found);
      },
      stage: () => 'Согласование договора', pipeline: () => 'Продажи', contact: () => 'Иван Петров', company: () => undefined,
      item: () => 'Крыша', file: (id) => `Файл ${id}`, chat: () => 'Договор: Крыша', fileUrl: (id) => `https://vestnik.test/files/${id}`,
    },
  };
  const scope: ResolveScope = {
    source,
    note,
    chooseChat: () => {},
    reader: (id) => {
      const reader = id === null ? undefined : directory.employee(id);
      return { language: reader?.language ?? 'ru', timeZone: reader?.timeZone ?? 'Europe/Moscow', companyCurrency: 'RUB' };
    },
    recipients: (sources) => expandRecipients(directory, sources, {
      ownerId,
      creatorId: idOf(values.creatorId) ?? null,
      observerIds: Array.isArray(values.observerIds) ? values.observerIds : [],
      moverId: null,
      fieldEmployees: (code) => [read(code)].flat().map(idOf).filter((id) => id !== undefined),
    }),
  };
  const failOnChat = () => {
    if (given.chatFailure) throw given.chatFailure;
  };
  const context: RobotContext = {
    item: { id: ids.item, title: String(values.title), itemTypeId: 1, ownerId },
    now,
    note,
    notifications: {
      add: ({ to, from, text }) => to.forEach((id) => ask('notification', { to: id, from, text: text(id) })),
    },
    timeline: {
      comment: ({ author, text }) => void ask('comment', { author, text: text(null) }),
    },
    feed: {
      async post({ author, title, text, to, audience, fileIds, tags }) {
        ask('post', { author, title: title(null), text: text(null), to, audience, fileIds, tags });
        return { postId: 601, link: 'https://vestnik.test/feed/601' };
      },
    },
    chats: {
      async createGroup({ title, members, owner }) {
        ask('group chat', { title: title(null), members, owner });
        return 501;
      },
      async addMembers(chatId, members, { showHistory }) {
        failOnChat();
        ask('members', { chatId, members, showHistory });
      },
      async writeToGroup(chatId, { author, kind, heading, text }) {
        failOnChat();
        ask('group message', { chatId, author, kind, heading: heading?.(null) ?? null, text: text(null) });
      },
      async writeToPerson(to, { author, kind, heading, text }) {
        to.forEach((id) => ask('private message', { to: id, author, kind, heading: heading?.(id) ?? null, text: text(id) }));
      },
    },
    mail: {
      send: ({ sender, from, to, subject, text, fileIds }) =>
        to.forEach((id) => ask('letter', { to: id, sender, from, subject: subject(id), text: text(id), fileIds })),
    },
    sms: {
      send: ({ provider, to, text, maxLength }) => to.forEach((id) => ask('sms', { to: id, provider, text: text(id), maxLength })),
    },
    apps: { call: ({ code, properties, waitsMs }) => void ask('call', { code, properties, waitsMs }) },
    items: {
      async change(changes, { as, appendToMultiple }) {
        ask('change', { changes, as, appendToMultiple });
        return given.refusal ?? '';
      },
      async createInvoice({ title, amount, dueOn, as }) {
        ask('invoice', { title: title(null), amount, dueOn, as });
        return { invoiceId: 701, number: '45', link: 'https://vestnik.test/i/token' };
      },
    },
  };
  const results = await type.compile(settings, env).run(scope, context);
  return { results, asked, notes };
}

/** For `assert.rejects`: a failed run with this reason. */
export function failedWith(code: string, params?: Record<string, unknown>): (error: unknown) => boolean {
  return (error) => error instanceof RobotFailure && error.code === code
    && (params === undefined || JSON.stringify(error.params) === JSON.stringify(params));
}
