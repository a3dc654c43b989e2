/** A deal, its client and its owner as the engine would give them: for the tests of the pure parts. */
import type { FieldInfo, FieldValue, ValueKind, ValueSource } from '../../server/robots/values.ts';

type Entry = readonly [name: string, kind: ValueKind, value: unknown, rest?: Partial<FieldInfo>];

const document: Readonly<Record<string, Entry>> = {
  id: ['ID', 'id', 12],
  title: ['Название', 'string', 'Крыша [b]под ключ[/b]'],
  amount: ['Сумма', 'money', 1_200_000],
  currency: ['Валюта', 'string', 'RUB'],
  stageId: ['Стадия', 'stage', 3],
  ownerId: ['Ответственный', 'employee', 7],
  creatorId: ['Кем создана', 'employee', 8],
  observerIds: ['Наблюдатели', 'employee', [8, 9], { isMultiple: true }],
  contactId: ['Контакт', 'contact', 5],
  companyId: ['Компания', 'company', null],
  closesOn: ['Дата завершения', 'date', '2026-12-01'],
  beginsOn: ['Дата начала', 'date', null],
  createdAt: ['Дата создания', 'datetime', new Date('2026-11-24T10:05:30Z')],
  link: ['Ссылка', 'url', 'https://vestnik.test/items/12'],
  note: ['Примечание', 'text', null],
  urgent: ['Срочно', 'boolean', undefined],
  tags: ['Метки', 'string', ['Опт', 'Юг'], { isMultiple: true }],
  source: ['Источник', 'list', 2, { settings: { options: [{ id: 1, name: 'Сайт' }, { id: 2, name: 'Звонок' }] } }],
  limit: ['Лимит', 'money', { amount: 100, currency: 'USD' }],
  score: ['Оценка', 'number', 5],
  files: ['Файлы', 'file', [31, 32], { isMultiple: true }],
  UF_CHAT: ['ID группового чата', 'string', '77'],
};
const contact: Readonly<Record<string, Entry>> = {
  name: ['Имя', 'string', 'Иван Петров'],
  firstName: ['Имя', 'string', 'Иван'],
  phone: ['Телефон', 'phone', ['+79001234567'], { isMultiple: true }],
  email: ['E-mail', 'email', [], { isMultiple: true }],
};
const owner: Readonly<Record<string, Entry>> = {
  name: ['Имя', 'string', 'Анна Смирнова'],
  email: ['E-mail', 'email', 'anna@vestnik.test'],
};
const employees: Readonly<Record<number, string>> = { 7: 'Анна Смирнова', 8: 'Пётр Ильин', 9: 'Ольга Ким' };

export function buildField(code: string): FieldInfo | undefined {
  const entry = document[code];
  return entry && fieldOf(code, entry);
}

function fieldOf(code: string, [name, kind, , rest]: Entry): FieldInfo {
  return { code, name, kind, isMultiple: false, settings: {}, ...rest };
}

/** `values` replace those of the deal, by code. */
export function buildSource(values: Readonly<Record<string, unknown>> = {}, rest: Partial<ValueSource> = {}): ValueSource {
  const read = (entries: Readonly<Record<string, Entry>>, code: string, replaced: Readonly<Record<string, unknown>> = {}): FieldValue | undefined => {
    const entry = entries[code];
    return entry && { field: fieldOf(code, entry), value: Object.hasOwn(replaced, code) ? replaced[code] : entry[2] };
  };
  return {
    document: (code) => read(document, code, values),
    client: (which, code) => (which === 'contact' ? read(contact, code) : undefined),
    owner: (code) => read(owner, code),
    result: (robotId, name) => (robotId === 12 && name === 'chatId' ? { kind: 'chat', value: 77 } : undefined),
    now: new Date('2026-11-24T21:30:00Z'),
    timeZones: { company: 'Europe/Moscow', owner: 'Asia/Vladivostok' },
    names: {
      employee: (id) => employees[id],
      stage: (id) => (id === 3 ? 'Отправка счета' : undefined),
      pipeline: () => undefined,
      contact: (id) => (id === 5 ? 'Иван Петров' : undefined),
      company: () => undefined,
      item: () => undefined,
      file: (id) => (id === 31 ? 'Договор.pdf' : id === 32 ? 'Смета.xlsx' : undefined),
      chat: (id) => (id === 77 ? 'Сделка: Крыша' : undefined),
      fileUrl: (id) => (id === 31 ? 'https://vestnik.test/files/31' : undefined),
    },
    ...rest,
  };
}
