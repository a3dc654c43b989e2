/**
 * Who may do what over HTTP: one row per route and kind of thing, one column per person.
 *
 *   +  may                                       k  may, but this thing does not allow it now (409)
 *   -  does not learn that it is there (404)     b  what was sent is wrong (400)
 *   x  sees it and may not do that (403)         f  may, but the server outside did not answer
 *                                                u  may, but only as a WebSocket (426)
 *
 * Strangers and the dismissed have no column: they get 401 everywhere, except from `publicRoutes`.
 * A new route needs a row here, or the test of the table fails.
 */
import { sql } from '../../server/db/db.ts';
import type { World } from './world.ts';

export const columns = ['outsider', 'junior', 'colleague', 'editor', 'owner', 'admin'] as const;
export type Column = (typeof columns)[number];

export interface Request {
  params?: Record<string, string | number>;
  query?: Record<string, string | number | boolean>;
  body?: unknown;
  bytes?: string;
}

export interface Row {
  route: string;
  /** What is asked for, where a route stands here more than once. */
  about: string;
  /** A mark per column. */
  marks: string;
  /** Made anew for each person: what a request uses up is made by it. */
  request: (w: World, by: Column) => Request | Promise<Request>;
}

/** Answered and not described in OpenAPI: the gateway (`*` is /rest/*, as the router prints it) has a language of its own (docs/rest.md) and looks at its own credentials, or at the signature in the address of a file. */
export const gatewayRoutes = new Set(['GET *', 'POST *', 'GET /rest/download', 'GET /rest/download.json', 'POST /rest/upload', 'POST /rest/upload.json', 'GET /oauth/token', 'POST /oauth/token', 'GET /oauth/token/', 'POST /oauth/token/']);

/** Open to everybody, on purpose. */
export const publicRoutes = new Set(['GET /api/openapi.json', 'GET /health', 'GET /metrics', 'POST /api/session', 'GET /i/{token}',
  'GET /api/setup', 'POST /api/setup', 'GET /api/invitation-links/{token}', 'POST /api/invitation-links/{token}',
  'POST /api/password-links', 'GET /api/password-links/{token}', 'POST /api/password-links/{token}',
  'GET /api/sms/callbacks/{providerId}/{secret}', 'POST /api/sms/callbacks/{providerId}/{secret}',
  'GET /api/trigger-calls/{triggerId}/{secret}', 'POST /api/trigger-calls/{triggerId}/{secret}']);

const everybody = '++++++';
const adminsOnly = 'xxxxx+';
const nothing = () => ({});
let number = 0;
const fresh = (name: string) => `${name} ${++number}`;

const row = (route: string, marks: string, request: Row['request'] = nothing, about = ''): Row => ({ route, about, marks, request });

const owner = (w: World) => w.api(w.people.owner);
const admin = (w: World) => w.api(w.admin);
const id = (of: { id: number } | number) => ({ params: { id: typeof of === 'number' ? of : of.id } });
const byItem = (w: World) => id(w.deal);
const byPost = (w: World) => id(w.post);
const byChat = (w: World) => id(w.chat);
const byPipeline = (w: World) => ({ params: { pipelineId: w.pipeline.id } });
const robotSet = (w: World) => admin(w).get(`/api/pipelines/${w.pipeline.id}/robots`);
const begunUpload = (w: World, sizeBytes = 8): Promise<{ id: number }> => owner(w).post('/api/drive/uploads', { folderId: null, name: fresh('файл'), sizeBytes });
const webhookTriggers = new WeakMap<World, Promise<Request>>();
async function makeTrigger(w: World): Promise<Request> {
  const pipeline = await w.given.pipeline({ stages: ['Новая', 'Оплачена'] });
  const trigger = await w.given.trigger(pipeline.stage('Оплачена'), { kind: 'webhook' });
  return { params: { pipelineId: pipeline.id, triggerId: trigger.id } };
}
/** A webhook trigger, made once. */
function byTrigger(w: World): Promise<Request> {
  const made = webhookTriggers.get(w) ?? makeTrigger(w);
  webhookTriggers.set(w, made);
  return made;
}
async function guessedCall(w: World): Promise<Request> {
  return { params: { triggerId: Number((await byTrigger(w)).params?.triggerId), secret: 'guessed' }, query: { item: w.deal.id } };
}
const trashed = async (w: World, path: string) => {
  await owner(w).del(path);
  return id(Number(path.split('/').at(-1)));
};
const bulkAction = (w: World): Promise<{ id: number }> => owner(w).post('/api/bulk-actions', { action: { kind: 'change', fields: { amount: 1 } }, itemIds: [w.deal.id] });
async function importOf(w: World): Promise<{ id: number }> {
  const query = new URLSearchParams({ name: 'сделки.csv', itemTypeId: String(w.dealTypeId) });
  const answer = await owner(w).fetch(`/api/imports?${query}`, { method: 'POST', headers: { 'content-type': 'text/csv' }, body: 'Название\nКрыша' });
  return JSON.parse(await answer.text());
}
/** A deal whose robots have run: one run done, one waiting, one failed. */
async function dealWithRuns(w: World) {
  const deal = await w.newDeal();
  await w.moved(deal, w.stages.working);
  await w.drain();
  return deal;
}
const mailSender = async (w: World) => {
  const made = await w.db.first<{ id: number }>(sql`
    insert into mail_senders (name, address, host, port, security, created_at) values ('Ещё', 'more@example.com', '127.0.0.1', 1, 'none', ${w.clock.now()}) returning id`);
  return id(made?.id ?? 0);
};
const smsProvider = async (w: World) => {
  const made = await w.db.first<{ id: number }>(sql`
    insert into sms_providers (type, name, settings, created_at) values ('http', 'Ещё', '{"url":"https://example.com/send"}', ${w.clock.now()}) returning id`);
  return id(made?.id ?? 0);
};
const invited = (w: World) => admin(w).post('/api/invitations', { email: `${fresh('guest').replace(' ', '')}@example.com` });
/** What the link of an invitation or of a new password carries. */
const tokenOf = ({ link }: { link: string }) => link.split('/').at(-1)!;
const bounce = [
  'Content-Type: multipart/report; report-type=delivery-status; boundary=b', '', '--b', 'Content-Type: message/delivery-status', '', 'Reporting-MTA: dns; mx.example.com', '',
  'Final-Recipient: rfc822; nobody@example.com', 'Action: failed', 'Status: 5.1.1', '', '--b', 'Content-Type: text/rfc822-headers', '', 'Message-ID: <other@example.com>', '', '--b--', '',
].join('\r\n');
const newSender = { name: 'Отдел', address: 'team@example.com', host: '127.0.0.1', port: 1, security: 'none' };

const webhook = async (w: World) => id(await owner(w).post('/api/rest/webhooks', { name: fresh('Вебхук') }));
const app = async (w: World) => id(await admin(w).post('/api/rest/apps', { name: fresh('Приложение') }));

export const table: readonly Row[] = [
  // ——— System, signing in
  row('GET /api/openapi.json', everybody),
  row('GET /health', everybody),
  row('GET /metrics', adminsOnly),
  row('GET /api/live', 'uuuuuu'),
  row('POST /api/session', everybody, async (w) => ({ body: { email: (await owner(w).get('/api/me')).employee.email, password: w.password } })),
  row('DELETE /api/session', everybody),
  row('GET /api/sessions', everybody),
  row('DELETE /api/sessions/{id}', '----+-', (w) => id(w.sessionId)),
  row('DELETE /api/sessions', everybody, () => ({ query: { keepCurrent: true } })),
  row('GET /api/me', everybody),
  row('PATCH /api/me', everybody, () => ({ body: { secondName: 'Иная' } })),
  row('POST /api/me/password', 'bbbbbb', () => ({ body: { currentPassword: 'не тот', newPassword: 'Крепкий корабль плывёт' } })),

  // ——— The REST gateway: its callers
  row('GET /api/rest/webhooks', everybody),
  row('POST /api/rest/webhooks', everybody, () => ({ body: { name: fresh('Вебхук') } })),
  row('POST /api/rest/webhooks', 'xxxx++', (w) => ({ body: { name: fresh('Вебхук'), employeeId: w.people.owner.id } }), 'of somebody else'),
  row('DELETE /api/rest/webhooks/{id}', '----++', webhook),
  row('GET /api/rest/scopes', everybody),
  row('GET /api/rest/apps', adminsOnly),
  row('POST /api/rest/apps', adminsOnly, () => ({ body: { name: fresh('Приложение') } })),
  row('POST /api/rest/apps/{id}/tokens', adminsOnly, async (w) => ({ ...(await app(w)), body: {} })),
  row('DELETE /api/rest/apps/{id}', adminsOnly, app),
  row('GET /api/setup', everybody),
  row('POST /api/setup', 'kkkkkk', () => ({
    body: {
      token: 'guessed', company: { name: 'Чужая', language: 'ru', timeZone: 'Europe/Moscow', currency: 'RUB', country: 'RU' },
      admin: { email: 'thief@example.com', firstName: 'Вор', password: 'Крепкий корабль плывёт' },
    },
  }), 'when there is a company'),
  row('POST /api/password-links', everybody, () => ({ body: { email: `${fresh('nobody').replace(' ', '')}@example.com` } })),
  row('GET /api/password-links/{token}', everybody, async (w) => ({ params: { token: tokenOf(await admin(w).post(`/api/employees/${w.people.owner.id}/password-link`)) } })),
  row('POST /api/password-links/{token}', everybody, async (w) => {
    const guest = await w.given.employee();
    return { params: { token: tokenOf(await admin(w).post(`/api/employees/${guest.id}/password-link`)) }, body: { password: 'Крепкий корабль плывёт' } };
  }),
  row('GET /api/invitation-links/{token}', everybody, async (w) => ({ params: { token: tokenOf(await invited(w)) } })),
  row('POST /api/invitation-links/{token}', everybody, async (w) => ({
    params: { token: tokenOf(await invited(w)) },
    body: { firstName: 'Новый', password: 'Крепкий корабль плывёт', language: 'ru', timeZone: 'Europe/Moscow' },
  })),

  // ——— People
  row('GET /api/employees/{id}/uses', adminsOnly, (w) => id(w.people.owner)),
  row('GET /api/invitations', adminsOnly),
  row('POST /api/invitations', adminsOnly, () => ({ body: { email: `${fresh('guest').replace(' ', '')}@example.com` } })),
  row('POST /api/invitations/{id}/resend', adminsOnly, async (w) => id(await invited(w))),
  row('DELETE /api/invitations/{id}', adminsOnly, async (w) => id(await invited(w))),
  row('POST /api/employees/{id}/password-link', adminsOnly, (w) => id(w.people.owner)),
  row('GET /api/employees', everybody),
  row('POST /api/employees', adminsOnly, () => ({ body: { email: `${fresh('new').replace(' ', '')}@example.com`, firstName: 'Новый' } })),
  row('GET /api/employees/{id}', everybody, (w) => id(w.people.owner)),
  row('PATCH /api/employees/{id}', adminsOnly, (w) => ({ ...id(w.gone), body: { position: 'Грузчик' } })),
  row('PATCH /api/employees/{id}', adminsOnly, (w, by) => ({ ...id(w.people[by]), body: { isAdmin: true } }), 'makes oneself an administrator'),
  row('DELETE /api/employees/{id}/dismissal', adminsOnly, (w) => id(w.gone)),
  row('POST /api/employees/{id}/dismissal', adminsOnly, (w) => id(w.gone)),
  row('GET /api/departments', everybody),
  row('POST /api/departments', adminsOnly, () => ({ body: { name: fresh('Отдел') } })),
  row('PATCH /api/departments/{id}', adminsOnly, (w) => ({ ...id(w.department), body: { name: 'Продажи' } })),
  row('DELETE /api/departments/{id}', adminsOnly, async (w) => id(await w.given.department())),
  row('POST /api/departments/{id}/members', adminsOnly, (w) => ({ ...id(w.department), body: { employeeIds: [w.people.owner.id], role: 'employee' } })),
  row('DELETE /api/departments/{id}/members/{employeeId}', adminsOnly, async (w) => {
    const department = await w.given.department({ employeeIds: [w.people.owner.id] });
    return { params: { id: department.id, employeeId: w.people.owner.id } };
  }),
  row('GET /api/company', everybody),
  row('PATCH /api/company', adminsOnly, () => ({ body: { name: 'Ромашка' } })),
  row('GET /api/calendar-days', everybody),
  row('POST /api/calendar-days', adminsOnly, () => ({ body: { days: [{ day: '2026-12-31', name: 'Канун', intervals: [] }] } })),
  row('DELETE /api/calendar-days/{day}', adminsOnly, () => ({ params: { day: '2026-12-31' } })),
  row('GET /api/absences', everybody),
  row('POST /api/absences', 'xxxx++', (w) => ({ body: { employeeId: w.people.owner.id, startsAt: '2026-07-01T00:00:00Z', endsAt: '2026-07-02T00:00:00Z' } })),
  row('PATCH /api/absences/{id}', 'xxxx++', (w) => ({ ...id(w.absence), body: { kind: 'other' } })),
  row('DELETE /api/absences/{id}', 'xxxx++', async (w) =>
    id(await owner(w).post('/api/absences', { employeeId: w.people.owner.id, startsAt: '2026-08-01T00:00:00Z', endsAt: '2026-08-02T00:00:00Z' }))),
  row('GET /api/access-roles', adminsOnly),
  row('POST /api/access-roles', adminsOnly, () => ({ body: { name: 'Пустая', members: [], rights: [] } })),
  row('GET /api/access-roles/{id}', adminsOnly, (w) => id(w.role)),
  row('PATCH /api/access-roles/{id}', adminsOnly, async (w) => ({ ...id(await admin(w).post('/api/access-roles', { name: 'На час' })), body: { name: 'На два' } })),
  row('DELETE /api/access-roles/{id}', adminsOnly, async (w) => id(await admin(w).post('/api/access-roles', { name: 'На час' }))),
  row('GET /api/api-tokens', 'xxxx++', (w) => ({ query: { employeeId: w.people.owner.id } })),
  row('POST /api/api-tokens', everybody, () => ({ body: { name: 'мой' } })),
  row('DELETE /api/api-tokens/{id}', '----++', async (w) => id(await owner(w).post('/api/api-tokens', { name: 'лишний' }))),

  // ——— Drive: own, company's, and what hangs on an item, a comment, a message, a post
  row('GET /api/drive/storages', everybody),
  row('POST /api/drive/folders', '----+-', (w) => ({ body: { parentId: w.ownFolder.id, name: fresh('Папка') } }), 'in an own folder'),
  row('POST /api/drive/folders', everybody, (w) => ({ body: { parentId: w.roots.company.id, name: fresh('Папка') } }), "in the company's"),
  row('GET /api/drive/folders/{id}', '----+-', (w) => id(w.ownFolder), 'own'),
  row('GET /api/drive/folders/{id}', everybody, (w) => id(w.companyFolder), "company's"),
  row('PATCH /api/drive/folders/{id}', '----+-', (w) => ({ ...id(w.ownFolder), body: { name: 'Личное' } }), 'own'),
  row('PATCH /api/drive/folders/{id}', 'xxxx++', (w) => ({ ...id(w.companyFolder), body: { name: 'Общее' } }), "company's"),
  row('DELETE /api/drive/folders/{id}', '----+-', async (w) => id(await w.newFolder(w.roots.own.id, fresh('Папка'))), 'own'),
  row('DELETE /api/drive/folders/{id}', 'xxxx++', async (w) => id(await w.newFolder(w.roots.company.id, fresh('Папка'))), "company's"),
  row('GET /api/drive/folders/{id}/entries', '----+-', (w) => id(w.ownFolder), 'own'),
  row('GET /api/drive/folders/{id}/entries', everybody, (w) => id(w.companyFolder), "company's"),
  row('POST /api/drive/folders/{id}/restore', '----+-', async (w) => ({ ...(await trashed(w, `/api/drive/folders/${(await w.newFolder(w.roots.own.id, fresh('Папка'))).id}`)), body: {} }), 'own'),
  row('POST /api/drive/folders/{id}/restore', '----++', async (w) => ({ ...(await trashed(w, `/api/drive/folders/${(await w.newFolder(w.roots.company.id, fresh('Папка'))).id}`)), body: {} }), "company's"),
  row('GET /api/drive/trash', everybody),
  row('GET /api/drive/files', everybody, (w) => ({ query: { ids: `${w.files.own},${w.files.company}` } })),
  row('GET /api/drive/files/{id}', '----+-', (w) => id(w.files.own), 'own'),
  row('GET /api/drive/files/{id}', everybody, (w) => id(w.files.company), "company's"),
  row('GET /api/drive/files/{id}', '--++++', (w) => id(w.files.item), 'of an item'),
  row('GET /api/drive/files/{id}', '--++++', (w) => id(w.files.comment), 'of a comment'),
  row('GET /api/drive/files/{id}', '--+-+-', (w) => id(w.files.message), 'of a message'),
  row('GET /api/drive/files/{id}', '--+-+-', (w) => id(w.files.post), 'of a post'),
  row('PATCH /api/drive/files/{id}', '----+-', (w) => ({ ...id(w.files.own), body: { name: 'дневник.txt' } }), 'own'),
  row('PATCH /api/drive/files/{id}', 'xxxx++', (w) => ({ ...id(w.files.company), body: { name: 'прайс.txt' } }), "company's"),
  row('PATCH /api/drive/files/{id}', '--xx+x', (w) => ({ ...id(w.files.item), body: { name: 'договор.txt' } }), 'of an item'),
  row('DELETE /api/drive/files/{id}', '----+-', async (w) => id(await w.upload(w.ownFolder.id, fresh('файл'))), 'own'),
  row('DELETE /api/drive/files/{id}', 'xxxx++', async (w) => id(await w.upload(w.companyFolder.id, fresh('файл'))), "company's"),
  row('POST /api/drive/files/{id}/restore', '----+-', async (w) => ({ ...(await trashed(w, `/api/drive/files/${(await w.upload(w.ownFolder.id, fresh('файл'))).id}`)), body: {} }), 'own'),
  row('POST /api/drive/files/{id}/restore', '----++', async (w) => ({ ...(await trashed(w, `/api/drive/files/${(await w.upload(w.companyFolder.id, fresh('файл'))).id}`)), body: {} }), "company's"),
  row('GET /api/drive/files/{id}/versions', '----+-', (w) => id(w.files.own), 'own'),
  // Older versions may hold what was taken out on purpose: whoever sees a file through a message sees the newest.
  row('GET /api/drive/files/{id}/versions', '----+-', (w) => id(w.files.message), 'of a message'),
  row('POST /api/drive/files/{id}/versions/{version}/restore', '----+-', (w) => ({ params: { id: w.files.own, version: 1 } }), 'own'),
  row('POST /api/drive/files/{id}/versions/{version}/restore', 'xxxx++', (w) => ({ params: { id: w.files.company, version: 1 } }), "company's"),
  row('GET /api/drive/files/{id}/content', '----+-', async (w) => {
    await owner(w).fetch(`/api/drive/files/${w.files.message}/content`, { method: 'PUT', body: 'исправлено', headers: { 'content-type': 'application/octet-stream' } });
    return { ...id(w.files.message), query: { version: 1 } };
  }, 'of a message, an older version'),
  row('GET /api/drive/files/{id}/content', '----+-', (w) => id(w.files.own), 'own'),
  row('GET /api/drive/files/{id}/content', everybody, (w) => id(w.files.company), "company's"),
  row('GET /api/drive/files/{id}/content', '--++++', (w) => id(w.files.item), 'of an item'),
  row('GET /api/drive/files/{id}/content', '--++++', (w) => id(w.files.comment), 'of a comment'),
  row('GET /api/drive/files/{id}/content', '--+-+-', (w) => id(w.files.message), 'of a message'),
  row('GET /api/drive/files/{id}/content', '--+-+-', (w) => id(w.files.post), 'of a post'),
  row('PUT /api/drive/files/{id}/content', '----+-', (w) => ({ ...id(w.files.own), bytes: 'новое' }), 'own'),
  row('PUT /api/drive/files/{id}/content', 'xxxx++', (w) => ({ ...id(w.files.company), bytes: 'новое' }), "company's"),
  row('PUT /api/drive/files/{id}/content', '--xx+x', (w) => ({ ...id(w.files.item), bytes: 'новое' }), 'of an item'),
  row('POST /api/drive/folders/{id}/files', '----+-', (w) => ({ ...id(w.ownFolder), query: { name: fresh('файл') }, bytes: 'тело' }), 'own'),
  row('POST /api/drive/folders/{id}/files', everybody, (w) => ({ ...id(w.companyFolder), query: { name: fresh('файл') }, bytes: 'тело' }), "company's"),
  row('POST /api/drive/uploads', '----+-', (w) => ({ body: { folderId: w.ownFolder.id, name: fresh('файл'), sizeBytes: 4 } }), 'into an own folder'),
  row('POST /api/drive/uploads', everybody, (w) => ({ body: { folderId: w.companyFolder.id, name: fresh('файл'), sizeBytes: 4 } }), "into the company's"),
  row('GET /api/drive/uploads', everybody),
  row('GET /api/drive/uploads/{id}', '----+-', async (w) => id(await begunUpload(w))),
  row('PUT /api/drive/uploads/{id}', '----+-', async (w) => ({ ...id(await begunUpload(w)), query: { offset: 0 }, bytes: 'тело' })),
  row('POST /api/drive/uploads/{id}/finish', '----+-', async (w) => id(await begunUpload(w, 0))),
  row('DELETE /api/drive/uploads/{id}', '----+-', async (w) => id(await begunUpload(w))),
  row('POST /api/drive/attachments', everybody, () => ({ query: { name: 'вложение.txt' }, bytes: 'тело' })),

  // ——— CRM: configuration
  row('GET /api/crm-config', everybody),
  row('POST /api/item-types', adminsOnly, () => ({ body: { name: fresh('Тип') } })),
  row('PATCH /api/item-types/{id}', adminsOnly, (w) => ({ ...id(w.dealTypeId), body: { name: 'Сделка' } })),
  row('DELETE /api/item-types/{id}', adminsOnly, async (w) => id(await admin(w).post('/api/item-types', { name: fresh('Тип') }))),
  row('POST /api/pipelines', adminsOnly, (w) => ({ body: { itemTypeId: w.dealTypeId, name: fresh('Воронка') } })),
  row('PATCH /api/pipelines/{id}', adminsOnly, (w) => ({ ...id(w.pipeline), body: { name: 'Продажи' } })),
  row('DELETE /api/pipelines/{id}', adminsOnly, async (w) => id(await w.given.pipeline())),
  row('POST /api/pipelines/{id}/stages', adminsOnly, (w) => ({ ...id(w.pipeline), body: { name: fresh('Стадия') } })),
  row('PUT /api/pipelines/{id}/stage-order', adminsOnly, async (w) => {
    const pipeline = await w.given.pipeline();
    return { ...id(pipeline), body: { stageIds: pipeline.stages.map((stage) => stage.id) } };
  }),
  row('PATCH /api/stages/{id}', adminsOnly, (w) => ({ ...id(w.stages.fresh), body: { color: '#112233' } })),
  row('DELETE /api/stages/{id}', adminsOnly, async (w) => {
    const pipeline = await w.given.pipeline({ stages: ['Раз', 'Два'] });
    return { ...id(pipeline.stage('Два')), query: { moveToStageId: pipeline.stage('Раз').id } };
  }),
  row('GET /api/fields', everybody, (w) => ({ query: { itemTypeId: w.dealTypeId } })),
  row('POST /api/fields', adminsOnly, (w) => ({ body: { itemTypeId: w.leadTypeId, name: fresh('Поле'), type: 'string' } })),
  row('PATCH /api/fields/{id}', adminsOnly, async (w) => ({ ...id(await w.given.field({ itemType: 'lead', name: fresh('Поле'), type: 'string' })), body: { name: 'Иное' } })),
  row('DELETE /api/fields/{id}', adminsOnly, async (w) => id(await w.given.field({ name: fresh('Поле'), type: 'string' }))),

  // ——— Items
  row('GET /api/items', everybody, (w) => ({ query: { itemTypeId: w.dealTypeId } })),
  row('POST /api/items/search', everybody, (w) => ({ body: { itemTypeId: w.dealTypeId } })),
  row('GET /api/pipelines/{id}/summary', everybody, (w) => id(w.pipeline)),
  row('POST /api/items', 'x+x+++', (w) => ({ body: { itemTypeId: w.dealTypeId, title: 'Моя' } }), 'for oneself'),
  row('POST /api/items', 'xxx+++', (w) => ({ body: { itemTypeId: w.dealTypeId, title: 'Чужая', ownerId: w.people.owner.id } }), 'for the owner'),
  row('POST /api/items', 'xxxxx+', (w) => ({ body: { itemTypeId: w.leadTypeId, title: 'Лид' } }), 'of a type nobody has rights on'),
  row('GET /api/items/{id}', '--++++', byItem),
  row('PATCH /api/items/{id}', '--x+++', async (w) => ({ ...id(await w.newDeal()), body: { amount: ++number } })),
  row('PATCH /api/items/{id}', '--x+++', async (w) => ({ ...id(await w.newDeal()), body: { stageId: w.stages.shipping.id } }), 'moves it'),
  row('PATCH /api/items/{id}', '--x+++', (w, by) => ({ ...byItem(w), body: { observerIds: [w.people[by].id], amount: ++number } }), 'makes oneself an observer'),
  row('PATCH /api/items/{id}', '--x+++', (w) => ({ ...byItem(w), body: { observerIds: [] } }), 'and takes that back'),
  row('DELETE /api/items/{id}', '--x+++', async (w) => id(await w.newDeal())),
  // Each item by itself: what may not be moved is told in the answer (access.test.ts looks).
  row('POST /api/items/{id}/restore', '--x+++', async (w) => {
    const deal = await w.newDeal();
    await owner(w).del(`/api/items/${deal.id}`);
    return id(deal);
  }),
  row('GET /api/items/{id}/rights', '--++++', byItem),
  row('GET /api/items/{id}/children', '--++++', byItem),
  row('GET /api/crm-names', everybody, (w) => ({ query: { items: String(w.deal.id), contacts: String(w.contact.id), companies: String(w.company.id) } })),
  row('POST /api/items/bulk-move', everybody, async (w) => ({ body: { stageId: w.stages.shipping.id, itemIds: [(await w.newDeal()).id] } })),
  row('POST /api/items/count', everybody, (w) => ({ body: { itemTypeId: w.dealTypeId } })),
  row('GET /api/items/export', everybody, (w) => ({ query: { itemTypeId: w.dealTypeId } })),
  row('GET /api/crm-search', everybody, () => ({ query: { search: 'Сделка' } })),
  row('POST /api/bulk-actions', everybody, async (w) => ({ body: { action: { kind: 'delete' }, itemIds: [(await w.newDeal()).id] } })),
  row('POST /api/bulk-actions/forecast', everybody, (w) => ({ body: { stageId: w.stages.shipping.id, itemIds: [w.deal.id] } })),
  row('GET /api/bulk-actions', everybody),
  row('GET /api/bulk-actions/{id}', '----+-', async (w) => id(await bulkAction(w))),
  row('POST /api/bulk-actions/{id}/cancel', '----+-', async (w) => id(await bulkAction(w))),
  row('POST /api/imports', 'x+x+++', (w) => ({ query: { name: 'сделки.csv', itemTypeId: w.dealTypeId }, bytes: 'Название\nКрыша' })),
  row('GET /api/imports', everybody),
  row('GET /api/imports/{id}', '----+-', async (w) => id(await importOf(w))),
  row('PATCH /api/imports/{id}', '----+-', async (w) => ({ ...id(await importOf(w)), body: { mapping: ['title'] } })),
  row('POST /api/imports/{id}/check', '----+-', async (w) => id(await importOf(w))),
  row('GET /api/imports/{id}/forecast', '----k-', async (w) => id(await importOf(w)), 'not checked yet'),
  row('POST /api/imports/{id}/start', '----k-', async (w) => ({ ...id(await importOf(w)), body: { isSilent: true } }), 'not checked yet'),
  row('POST /api/imports/{id}/cancel', '----+-', async (w) => id(await importOf(w))),
  row('GET /api/imports/{id}/errors', '----+-', async (w) => id(await importOf(w))),
  row('GET /api/views', everybody, (w) => ({ query: { itemTypeId: w.dealTypeId } })),
  row('POST /api/views', everybody, (w) => ({ body: { itemTypeId: w.dealTypeId, name: 'Мои', query: {} } }), 'for oneself'),
  row('POST /api/views', adminsOnly, (w) => ({ body: { itemTypeId: w.dealTypeId, name: 'Общие', isShared: true, query: {} } }), 'for all'),
  row('DELETE /api/views/{id}', '----+-', (w) => id(w.view)),
  row('GET /api/items/{id}/timeline', '--++++', byItem),
  row('GET /api/items/{id}/history', '--++++', byItem),
  row('GET /api/items/{id}/pinned-comments', '--++++', byItem),
  row('POST /api/items/{id}/comments', '--++++', (w) => ({ ...byItem(w), body: { body: 'Вижу' } })),
  row('PATCH /api/items/{id}/comments/{commentId}', '--xx+x', (w) => ({ params: { id: w.deal.id, commentId: w.comment.id }, body: { body: 'Правка' } }), 'edits'),
  row('PATCH /api/items/{id}/comments/{commentId}', '--++++', (w) => ({ params: { id: w.deal.id, commentId: w.comment.id }, body: { isPinned: true } }), 'pins'),
  row('DELETE /api/items/{id}/comments/{commentId}', '--xx++', async (w) => ({
    params: { id: w.deal.id, commentId: (await owner(w).post(`/api/items/${w.deal.id}/comments`, { body: 'Лишнее' })).id },
  })),

  // ——— Clients: whoever works with items sees them
  ...(['contacts', 'companies'] as const).flatMap((kind) => {
    const one = (w: World) => (kind === 'contacts' ? w.contact : w.company);
    const made = (w: World) => owner(w).post(`/api/${kind}`, kind === 'contacts' ? { lastName: 'Временный', ownerId: w.people.owner.id } : { title: 'Временная', ownerId: w.people.owner.id });
    return [
      row(`GET /api/${kind}`, 'x+++++'),
      row(`POST /api/${kind}`, 'x+x+++', () => ({ body: kind === 'contacts' ? { lastName: 'Новый' } : { title: 'Новая' } })),
      row(`GET /api/${kind}/{id}`, 'x+++++', (w) => id(one(w))),
      row(`PATCH /api/${kind}/{id}`, 'xxx+++', (w) => ({ ...id(one(w)), body: { address: fresh('Улица') } })),
      row(`DELETE /api/${kind}/{id}`, 'xxx+++', async (w) => id(await made(w))),
      row(`POST /api/${kind}/{id}/restore`, 'xxx+++', async (w) => {
        const client = await made(w);
        await owner(w).del(`/api/${kind}/${client.id}`);
        return id(client);
      }),
      row(`GET /api/${kind}/{id}/items`, 'x+++++', (w) => id(one(w))),
    ];
  }),

  // ——— Invoices
  row('GET /api/items/{id}/invoices', '--++++', byItem),
  row('POST /api/items/{id}/invoices', '--x+++', (w) => ({ ...byItem(w), body: {} })),
  row('GET /api/invoices/{id}', '--++++', (w) => id(w.invoice.itemId)),
  row('PATCH /api/invoices/{id}', '--x+++', (w) => ({ ...id(w.invoice.itemId), body: { dueOn: '2026-10-01' } })),
  row('POST /api/invoices/{id}/payment', '--x+++', async (w) => id((await owner(w).post(`/api/items/${w.deal.id}/invoices`, {})).itemId)),
  row('GET /i/{token}', everybody, (w) => ({ params: { token: w.invoice.publicPath.split('/').at(-1) } })),

  // ——— Letters and SMS
  row('GET /api/deliveries', everybody),
  row('GET /api/deliveries/counters', adminsOnly),
  row('GET /api/delivery-figures', adminsOnly),
  row('GET /api/health-report', adminsOnly),
  row('GET /api/deliveries/{id}', '----++', (w) => id(w.delivery)),
  row('POST /api/deliveries/decisions', adminsOnly, () => ({ body: { ids: [1], decision: 'give_up' } })),
  row('GET /api/runs/{runId}/deliveries', '--++++', (w) => ({ params: { runId: w.runs.done } })),
  row('GET /api/delivery-budgets', adminsOnly),
  row('PUT /api/delivery-budgets', adminsOnly, () => ({ body: { email: { perHour: null, perDay: null }, sms: { perHour: 200, perDay: 1000 } } })),
  row('POST /api/deliveries/{id}/decision', adminsOnly, async (w) => ({ ...id(await w.newDelivery()), body: { decision: 'mark_sent' } })),
  row('GET /api/mail/senders', adminsOnly),
  row('POST /api/mail/senders', 'xxxxxf', () => ({ body: newSender })),
  row('GET /api/mail/sender-choices', everybody),
  row('PATCH /api/mail/senders/{id}', 'xxxxxf', (w) => ({ ...id(w.mailSenderId), body: { host: '127.0.0.1', port: 1 } })),
  row('DELETE /api/mail/senders/{id}', adminsOnly, mailSender),
  row('POST /api/mail/senders/{id}/test', adminsOnly, (w) => ({ ...id(w.mailSenderId), body: { address: 'me@example.com' } })),
  row('POST /api/mail/bounces', adminsOnly, () => ({ body: { message: bounce } })),
  row('GET /api/sms/provider-types', everybody),
  row('GET /api/sms/providers', adminsOnly),
  row('POST /api/sms/providers', adminsOnly, () => ({ body: { type: 'http', name: 'Шлюз', settings: { url: 'https://example.com/send' } } })),
  row('GET /api/sms/provider-choices', everybody),
  row('PATCH /api/sms/providers/{id}', adminsOnly, async (w) => ({ ...(await smsProvider(w)), body: { name: 'Иной' } })),
  row('DELETE /api/sms/providers/{id}', adminsOnly, smsProvider),
  row('GET /api/sms/providers/{id}/balance', 'xxxxxk', smsProvider, 'that cannot be asked'),
  row('POST /api/sms/providers/{id}/callback-url', adminsOnly, smsProvider),
  row('GET /api/sms/callbacks/{providerId}/{secret}', '------', async (w) => ({ params: { providerId: (await smsProvider(w)).params.id, secret: 'guessed' } })),
  row('POST /api/sms/callbacks/{providerId}/{secret}', '------', async (w) => ({ params: { providerId: (await smsProvider(w)).params.id, secret: 'guessed' }, body: { status: 'delivered' } })),
  row('POST /api/sms/providers/{id}/test', adminsOnly, async (w) => ({ ...(await smsProvider(w)), body: { phone: '+79001234567' } })),

  // ——— Bell
  row('GET /api/notifications', everybody),
  row('GET /api/notifications/counters', everybody),
  row('POST /api/notifications/read', everybody, (w) => ({ body: { ids: [w.notification.id] } })),
  row('PATCH /api/notifications/{id}', '----+-', (w) => ({ ...id(w.notification), body: { isRead: false } })),
  row('DELETE /api/notifications/{id}', '----+-', (w) => id(w.notification)),

  // ——— Feed
  row('GET /api/notifications/sources', everybody),
  row('GET /api/notification-settings', everybody),
  row('PUT /api/notification-settings', everybody, () => ({ body: { isSoundOn: true, quiet: { isOn: false, from: '22:00', until: '08:00', isWeekendQuiet: false } } })),
  row('GET /api/push/key', everybody),
  row('GET /api/push/devices', everybody),
  row('POST /api/push/devices', 'bbbbbb', () => ({ body: { endpoint: 'https://127.0.0.1/push', keys: { p256dh: 'x'.repeat(87), auth: 'x'.repeat(22) } } }), 'in an internal network'),
  row('DELETE /api/push/devices/{id}', '----+-', async (w) => {
    const made = await w.db.first<{ id: number }>(sql`
      insert into push_subscriptions (employee_id, endpoint, p256dh, auth, created_at) values (${w.people.owner.id}, ${fresh('https://push.example.com/')}, '', '', ${w.clock.now()}) returning id`);
    return id(made?.id ?? 0);
  }),
  row('POST /api/push/test', everybody),
  row('GET /api/posts', everybody),
  row('POST /api/posts', everybody, (w) => ({ body: { body: 'Всем привет', audience: [{ kind: 'employee', id: w.people.owner.id }] } })),
  row('GET /api/posts/tags', everybody),
  row('GET /api/posts/counters', everybody),
  row('PUT /api/posts/seen', everybody, (w) => ({ body: { upToId: w.post.id } })),
  row('GET /api/posts/{id}', '--+-+-', byPost),
  row('PATCH /api/posts/{id}', '--x-+-', (w) => ({ ...byPost(w), body: { title: 'Секретная новость' } })),
  row('DELETE /api/posts/{id}', '--x-+-', async (w) => id(await w.newPost())),
  row('GET /api/posts/{id}/readers', '--+-+-', byPost),
  row('PUT /api/posts/{id}/pin', '--+-+-', byPost),
  row('DELETE /api/posts/{id}/pin', '--+-+-', byPost),
  row('PUT /api/posts/{id}/acknowledgement', '--k-k-', byPost),
  row('GET /api/posts/{id}/acknowledgements', '--k-k-', byPost),
  row('PUT /api/posts/{id}/reactions/{reaction}', '--+-+-', (w) => ({ params: { id: w.post.id, reaction: 'like' } })),
  row('DELETE /api/posts/{id}/reactions/{reaction}', '--+-+-', (w) => ({ params: { id: w.post.id, reaction: 'like' } })),
  row('GET /api/posts/{id}/comments', '--+-+-', byPost),
  row('POST /api/posts/{id}/comments', '--+-+-', (w) => ({ ...byPost(w), body: { body: 'Спасибо' } })),
  row('PATCH /api/posts/{id}/comments/{commentId}', '--x-+-', (w) => ({ params: { id: w.post.id, commentId: w.postComment.id }, body: { body: 'Правка' } })),
  row('DELETE /api/posts/{id}/comments/{commentId}', '--x-+-', async (w) => ({
    params: { id: w.post.id, commentId: (await owner(w).post(`/api/posts/${w.post.id}/comments`, { body: 'Лишнее' })).id },
  })),

  // ——— Messenger
  row('GET /api/chats', everybody),
  row('POST /api/chats', everybody, (w) => ({ body: { kind: 'closed', title: fresh('Чат'), memberIds: [w.people.owner.id, w.people.admin.id] } }), 'a group'),
  row('POST /api/chats', everybody, (w) => ({ body: { kind: 'private', employeeId: w.people.owner.id } }), 'of two'),
  row('GET /api/chats/counters', everybody),
  row('GET /api/chats/{id}', '--+-+-', byChat),
  row('PATCH /api/chats/{id}', '--x-+-', (w) => ({ ...byChat(w), body: { title: 'Секретный чат' } })),
  row('DELETE /api/chats/{id}', '--x-+-', async (w) => id(await w.newChat())),
  row('PUT /api/chats/{id}/membership', '--+-+-', byChat, 'a closed one'),
  row('PATCH /api/chats/{id}/membership', '--+-+-', (w) => ({ ...byChat(w), body: { isMuted: false } })),
  row('DELETE /api/chats/{id}/membership', '--+-+-', async (w) => id(await w.newChat())),
  row('GET /api/chats/{id}/members', '--+-+-', byChat),
  row('POST /api/chats/{id}/members', '--+-+-', (w) => ({ ...byChat(w), body: { employeeIds: [w.people.owner.id] } })),
  row('PATCH /api/chats/{id}/members/{employeeId}', '--x-+-', (w) => ({ params: { id: w.chat.id, employeeId: w.people.colleague.id }, body: { role: 'member' } })),
  row('DELETE /api/chats/{id}/members/{employeeId}', '--x-+-', async (w) => {
    const guest = await w.given.employee();
    await owner(w).post(`/api/chats/${w.chat.id}/members`, { employeeIds: [guest.id] });
    return { params: { id: w.chat.id, employeeId: guest.id } };
  }),
  row('PUT /api/chats/{id}/read', '--+-+-', (w) => ({ ...byChat(w), body: { upToId: w.message.id } })),
  row('GET /api/chats/{id}/messages', '--+-+-', byChat),
  row('POST /api/chats/{id}/messages', '--+-+-', (w) => ({ ...byChat(w), body: { body: 'Здесь' } })),
  row('GET /api/messages', everybody, () => ({ query: { search: 'секретное' } })),
  row('PUT /api/chats/{id}/messages/{messageId}/reactions/{reaction}', '--+-+-', (w) => ({ params: { id: w.chat.id, messageId: w.message.id, reaction: 'heart' } })),
  row('DELETE /api/chats/{id}/messages/{messageId}/reactions/{reaction}', '--+-+-', (w) => ({ params: { id: w.chat.id, messageId: w.message.id, reaction: 'heart' } })),
  row('GET /api/chats/{id}/pins', '--+-+-', byChat),
  row('PUT /api/chats/{id}/messages/{messageId}/pin', '--+-+-', (w) => ({ params: { id: w.chat.id, messageId: w.message.id } })),
  row('DELETE /api/chats/{id}/messages/{messageId}/pin', '--+-+-', (w) => ({ params: { id: w.chat.id, messageId: w.message.id } })),
  row('PATCH /api/chats/{id}/messages/{messageId}', '--x-+-', (w) => ({ params: { id: w.chat.id, messageId: w.message.id }, body: { body: 'Правка' } })),
  row('DELETE /api/chats/{id}/messages/{messageId}', '--x-+-', async (w) => ({
    params: { id: w.chat.id, messageId: (await owner(w).post(`/api/chats/${w.chat.id}/messages`, { body: 'Лишнее' })).id },
  })),

  // ——— Robots
  row('GET /api/robot-types', everybody),
  row('GET /api/trigger-types', everybody),
  row('GET /api/app-triggers', everybody),
  row('GET /api/app-calls', adminsOnly),
  row('GET /api/pipelines/{pipelineId}/triggers/{triggerId}/webhook', '-xx+x+', byTrigger),
  row('POST /api/pipelines/{pipelineId}/triggers/{triggerId}/webhook', '-xx+x+', byTrigger),
  row('GET /api/trigger-calls/{triggerId}/{secret}', '------', async (w) => guessedCall(w)),
  row('POST /api/trigger-calls/{triggerId}/{secret}', '------', async (w) => guessedCall(w)),
  row('GET /api/trigger-runs', '--++++', (w) => ({ query: { itemId: w.deal.id } }), 'of an item'),
  row('GET /api/trigger-runs', '-xx+x+', (w) => ({ query: { pipelineId: w.pipeline.id } }), 'of a pipeline'),
  row('GET /api/trigger-runs', adminsOnly, nothing, 'of all'),
  row('POST /api/robot-ids', everybody, () => ({ body: { count: 1 } })),
  row('GET /api/pipelines/{pipelineId}/robots', '-+++++', byPipeline),
  row('PUT /api/pipelines/{pipelineId}/robots', '-xx+x+', async (w) => {
    const { revision, robots } = await robotSet(w);
    return { ...byPipeline(w), body: { revision, robots } };
  }),
  row('POST /api/pipelines/{pipelineId}/robots/publish', '-xx+x+', async (w) => {
    const pipeline = await w.given.pipeline();
    return { params: { pipelineId: pipeline.id }, body: { revision: 0 } };
  }),
  row('GET /api/pipelines/{pipelineId}/robots/versions', '-+++++', byPipeline),
  row('GET /api/pipelines/{pipelineId}/robots/versions/{versionId}', '-+++++', (w) => ({ params: { pipelineId: w.pipeline.id, versionId: w.version.id } })),
  row('POST /api/pipelines/{pipelineId}/robots/versions/{versionId}/restore', '-xx+x+', async (w) => ({
    params: { pipelineId: w.pipeline.id, versionId: w.version.id }, body: { revision: (await robotSet(w)).revision },
  })),
  row('POST /api/pipelines/{pipelineId}/robots/copy', '-xx+x+', async (w) => ({
    ...byPipeline(w),
    body: { robotIds: [w.notify.id], targetPipelineId: w.pipeline.id, targetStageId: w.stages.shipping.id, mode: 'move', revision: (await robotSet(w)).revision },
  })),
  row('GET /api/pipelines/{pipelineId}/robots/picker', '-+++++', (w) => ({ ...byPipeline(w), query: { stageId: w.stages.working.id } })),
  row('POST /api/pipelines/{pipelineId}/robots/rehearse', '-xx+x+', (w) => ({ ...byPipeline(w), body: { itemId: w.deal.id, stageId: w.stages.working.id } })),
  row('POST /api/pipelines/{pipelineId}/robots/check', '-xx+x+', async (w) => ({ ...byPipeline(w), body: { robots: (await robotSet(w)).robots } })),
  row('GET /api/pipelines/{pipelineId}/robots/chats', '-xx+x+', byPipeline),
  row('GET /api/pipelines/{pipelineId}/robots/compare', '-+++++', byPipeline),
  row('GET /api/pipelines/{pipelineId}/robots/export', '-xx+x+', byPipeline),
  row('POST /api/pipelines/{pipelineId}/robots/import', '-xx+x+', async (w) => ({
    ...byPipeline(w),
    body: { revision: (await robotSet(w)).revision, mode: 'append', file: { format: 'vestnik-robots', version: 1, pipeline: '', stages: [], robots: [] } },
  })),
  row('GET /api/items/{itemId}/robots', '--++++', (w) => ({ params: { itemId: w.deal.id } })),
  row('GET /api/runs/days', '-xx+x+', (w) => ({ query: { pipelineId: w.pipeline.id, from: '2026-03-01', to: '2026-03-31' } }), 'of a pipeline'),
  row('GET /api/runs/days', adminsOnly, () => ({ query: { from: '2026-03-01', to: '2026-03-31' } }), 'of all'),
  row('GET /api/runs/export', '-xx+x+', (w) => ({ query: { pipelineId: w.pipeline.id } }), 'of a pipeline'),
  row('GET /api/runs/export', adminsOnly, nothing, 'of all'),
  row('POST /api/stages/{stageId}/run-robots', '-xx+x+', (w) => ({ params: { stageId: w.stages.fresh.id }, body: { itemIds: [w.deal.id] } })),
  row('GET /api/runs', '--++++', (w) => ({ query: { itemId: w.deal.id } }), 'of an item'),
  row('GET /api/runs', '-xx+x+', (w) => ({ query: { pipelineId: w.pipeline.id } }), 'of a pipeline'),
  row('GET /api/runs', adminsOnly, nothing, 'of all'),
  row('GET /api/runs/{runId}', '--++++', (w) => ({ params: { runId: w.runs.done } })),
  row('POST /api/runs/{runId}/run-now', '--x+++', async (w) => ({ params: { runId: await w.runOf(await dealWithRuns(w), 'waiting') } })),
  row('POST /api/runs/{runId}/cancel', '--x+++', async (w) => ({ params: { runId: await w.runOf(await dealWithRuns(w), 'waiting') } })),
  row('POST /api/runs/{runId}/retry', '--x+++', async (w) => ({ params: { runId: await w.runOf(await dealWithRuns(w), 'failed') } })),
];

export function addressOf(route: string, { params = {}, query = {} }: Request): string {
  const path = route.split(' ')[1]!.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name] ?? '')));
  const search = new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]));
  return search.size > 0 ? `${path}?${search}` : path;
}

export function initOf(route: string, { body, bytes }: Request): RequestInit {
  const method = route.split(' ')[0]!;
  if (bytes !== undefined) return { method, body: bytes, headers: { 'content-type': 'application/octet-stream' } };
  return body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
}
