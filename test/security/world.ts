/**
 * A company with one of everything, each thing belonging to one person, and the people who may see
 * more or less of it. For the tests of this folder.
 */
import { sql } from '../../server/db/db.ts';
import { type Api, type Somebody, startTestVestnik, type TestVestnikOptions } from '../support/vestnik.ts';

export type World = Awaited<ReturnType<typeof createWorld>>;

/** Each request comes from another address: limits per address have tests of their own. */
function fromManyAddresses(): (api: Api) => Api['fetch'] {
  let count = 0;
  return (api) => (path, init = {}) => {
    const headers = new Headers(init.headers);
    count++;
    headers.set('x-forwarded-for', `10.${(count >> 16) & 255}.${(count >> 8) & 255}.${count & 255}`);
    return api.fetch(path, { ...init, headers });
  };
}

export async function createWorld(options: TestVestnikOptions = {}) {
  const vestnik = await startTestVestnik({ trustProxy: true, ...options });
  const { given, api, admin, db, moved, drain, clock } = vestnik;
  const password = 'Медный чайник поёт';

  // ——— People

  /** Has no right on any item and is in nothing. */
  const outsider = await given.employee({ firstName: 'Олег', lastName: 'Посторонний' });
  /** May do everything with deals and invoices of his own; he owns none of those here. */
  const junior = await given.employee({ firstName: 'Юля', lastName: 'Младшая' });
  /** Sees all deals, changes none; a member of the chat, a reader of the post. */
  const colleague = await given.employee({ firstName: 'Клим', lastName: 'Коллега' });
  /** May do everything with deals, invoices and robots; no member of the chat, no reader of the post. */
  const editor = await given.employee({ firstName: 'Роза', lastName: 'Редактор', language: 'en' });
  /** Owns the deal, wrote the post, made the chat, uploaded the files. Rights on the own alone. */
  const owner = await given.employee({ firstName: 'Вера', lastName: 'Хозяйка', password });
  const dismissed = await given.employee({ firstName: 'Глеб', lastName: 'Уволенный' });
  const people = { outsider, junior, colleague, editor, owner, admin };
  // Known to the server before anybody is dismissed.
  await Promise.all([...Object.values(people), dismissed].map((one) => api(one).get('/api/me')));
  const session = await api().fetch('/api/session', {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-forwarded-for': '10.255.255.1' }, body: JSON.stringify({ email: owner.email, password }),
  });
  const ownerCookie = session.headers.getSetCookie()[0] ?? '';

  const config = await api(admin).get('/api/crm-config');
  const typeId = (code: string): number => config.itemTypes.find((type: { code: string }) => type.code === code).id;
  const dealTypeId = typeId('deal');
  for (const role of (await api(admin).get('/api/access-roles')).items) await api(admin).del(`/api/access-roles/${role.id}`);
  const grant = (name: string, members: Somebody[], scopes: Record<string, string>) =>
    api(admin).post('/api/access-roles', {
      name, members: members.map(({ id }) => ({ kind: 'employee', id })),
      rights: [dealTypeId, typeId('invoice')].flatMap((itemTypeId) => Object.entries(scopes).map(([action, scope]) => ({ itemTypeId, action, scope }))),
    });
  const every = (scope: string) => ({ view: scope, add: scope, change: scope, delete: scope, move: scope });
  await grant('Своё', [junior, owner], every('own'));
  await grant('Смотрит', [colleague], { view: 'all' });
  const role = await grant('Процессы', [editor], { ...every('all'), robots: 'all' });
  const department = await given.department({ name: 'Продажи', headIds: [editor.id], employeeIds: [owner.id, colleague.id] });

  // ——— CRM

  const fileField = await given.field({ name: 'Документы', type: 'file', isMultiple: true, code: 'docs' });
  const dateField = await given.field({ name: 'Поставка', type: 'date', code: 'delivery' });
  const pipeline = await given.pipeline({ name: 'Продажи', stages: ['Новая', 'В работе', 'Отгрузка'] });
  const [fresh, working, shipping] = [pipeline.stage('Новая'), pipeline.stage('В работе'), pipeline.stage('Отгрузка')];
  const as = api(owner);
  const itemFile = await given.file({ name: 'договор.txt', by: owner });
  const company = await as.post('/api/companies', { title: 'Север', ownerId: owner.id });
  const contact = await as.post('/api/contacts', { firstName: 'Кирилл', lastName: 'Клиентов', companyId: company.id, ownerId: owner.id });
  const newDeal = (more: Record<string, unknown> = {}) =>
    given.item({ by: owner, pipelineId: pipeline.id, title: 'Секретная сделка', amount: 1000, ownerId: owner.id, contactId: contact.id, ...more });
  const deal = await newDeal({ values: { docs: [itemFile.id], delivery: '2026-06-01' } });
  const commentFile = await given.file({ name: 'снимок.png', content: 'нет', by: owner });
  const comment = await as.post(`/api/items/${deal.id}/comments`, { body: 'Секретный комментарий', fileIds: [commentFile.id] });
  const invoice = await as.post(`/api/items/${deal.id}/invoices`, {});
  const view = await as.post('/api/views', { itemTypeId: dealTypeId, name: 'Мои', query: { search: 'Секрет' } });

  // ——— Robots: one run that is done, one that waits, one that failed, in this order

  const gone = await given.employee({ firstName: 'Ушедший' });
  const notify = await given.robot(working, 'notify', { text: 'Секретное уведомление', recipients: [{ kind: 'role', role: 'owner' }] });
  await given.robot(working, 'notify', { text: 'Позже', recipients: [{ kind: 'role', role: 'owner' }] }, { timing: { kind: 'after', amount: 10, unit: 'days' }, order: 'independent' });
  await given.robot(working, 'notify', { text: 'Ушедшему', recipients: [{ kind: 'employee', id: gone.id }] }, { order: 'independent' });
  await api(admin).post(`/api/employees/${gone.id}/dismissal`);
  await moved(deal, working);
  await drain();
  type Run = { id: number; state: string };
  async function runOf(item: { id: number }, state: string): Promise<number> {
    const runs: Run[] = (await api(admin).get('/api/runs', { itemId: item.id })).items;
    const found = runs.find((run) => run.state === state);
    if (!found) throw new Error(`No run is ${state}: ${JSON.stringify(runs)}`);
    return found.id;
  }
  const runs = { done: await runOf(deal, 'done'), waiting: await runOf(deal, 'waiting'), failed: await runOf(deal, 'failed') };
  const [version] = await api(admin).get(`/api/pipelines/${pipeline.id}/robots/versions`);
  const [notification] = (await as.get('/api/notifications')).items;

  // ——— Messenger, feed

  const messageFile = await given.file({ name: 'голос.txt', by: owner });
  const newChat = (title = 'Секретный чат') => as.post('/api/chats', { kind: 'closed', title, memberIds: [colleague.id] });
  const chat = await newChat();
  const message = await as.post(`/api/chats/${chat.id}/messages`, { body: 'Секретное сообщение', fileIds: [messageFile.id] });
  const postFile = await given.file({ name: 'отзыв.txt', by: owner });
  const newPost = (more: Record<string, unknown> = {}) =>
    as.post('/api/posts', { title: 'Секретная новость', body: 'Текст', tags: ['тайна'], audience: [{ kind: 'employee', id: colleague.id }], ...more });
  const post = await newPost({ fileIds: [postFile.id] });
  const postComment = await as.post(`/api/posts/${post.id}/comments`, { body: 'Секретный ответ' });

  // ——— Drive

  const roots = await as.get('/api/drive/storages');
  const newFolder = (parentId: number, name: string) => as.post('/api/drive/folders', { parentId, name });
  const upload = async (folderId: number, name: string, content = 'тело'): Promise<{ id: number }> => {
    const answer = await as.fetch(`/api/drive/folders/${folderId}/files?${new URLSearchParams({ name })}`, { method: 'POST', body: content, headers: { 'content-type': 'application/octet-stream' } });
    return JSON.parse(await answer.text());
  };
  const companyFolder = await newFolder(roots.company.id, 'Общее');
  const companyFile = await upload(companyFolder.id, 'прайс.txt');
  const ownFolder = await newFolder(roots.own.id, 'Личное');
  const ownFile = await upload(ownFolder.id, 'дневник.txt');

  // ——— Outside channels. By rows: saving a sender signs in at its server.

  const at = clock.now();
  const sender = await db.first<{ id: number }>(sql`
    insert into mail_senders (name, address, host, port, security, is_default, created_at) values ('Почта', 'from@example.com', '127.0.0.1', 1, 'none', true, ${at}) returning id`);
  await db.run(sql`update config_versions set version = version + 1 where name = 'channels'`);
  const newDelivery = async (): Promise<number> => {
    const made = await db.first<{ id: number }>(sql`
      insert into deliveries (channel, sender_id, employee_id, address, content, state, item_id, created_at)
      values ('email', ${sender?.id}, ${owner.id}, 'vera@example.com', ${'{"subject":"Секретное письмо","body":"Текст","fromName":"","replyTo":null,"fileIds":[],"itemLink":null}'}::jsonb,
        'unknown', ${deal.id}, ${at}) returning id`);
    return made?.id ?? 0;
  };
  const delivery = await newDelivery();

  // ——— The owner's own

  const absence = await as.post('/api/absences', { employeeId: owner.id, kind: 'vacation', startsAt: '2026-05-01T00:00:00Z', endsAt: '2026-05-10T00:00:00Z', note: 'Секретная заметка' });
  const tokens: { id: number }[] = (await as.get('/api/api-tokens')).items;
  const sessions: { id: number }[] = (await as.get('/api/sessions')).items;
  await api(admin).post(`/api/employees/${dismissed.id}/dismissal`);

  const clients = { nobody: api(), dismissed: api(dismissed), ...mapped(people, (one) => api(one)) };
  return {
    ...vestnik, people, dismissed, gone, password, ownerCookie,
    /** Bare answers, without limits per address. */
    ask: mapped(clients, fromManyAddresses()),
    dealTypeId, leadTypeId: typeId('lead'), pipeline, stages: { fresh, working, shipping }, fileField, dateField, company, contact, deal, newDeal, comment, invoice, view,
    role, department, runs, runOf, version, notify, notification, chat, newChat, message, post, newPost, postComment,
    files: { item: itemFile.id, comment: commentFile.id, message: messageFile.id, post: postFile.id, company: companyFile.id, own: ownFile.id },
    roots, companyFolder, ownFolder, newFolder, upload, mailSenderId: sender?.id ?? 0, delivery, newDelivery, absence, tokenId: tokens[0]!.id, sessionId: sessions[0]!.id,
  };
}

function mapped<Names extends string, From, To>(record: Record<Names, From>, change: (value: From) => To): Record<Names, To> {
  // The names stay what they were.
  return Object.fromEntries(Object.entries<From>(record).map(([name, value]) => [name, change(value)])) as Record<Names, To>;
}
