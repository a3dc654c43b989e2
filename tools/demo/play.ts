/**
 * `npm run demo [-- --language en]`: the product's main job on real input, in one command.
 *
 * Starts the whole product on a fresh temporary database, with a real SMTP server and a real HTTP SMS
 * gateway on loopback, and plays the ten scenarios of the article through the HTTP API: a manager moves
 * deals, and what each person was told is read back with that person's own token. Everything it made is
 * gone afterwards; the exit code is 0 only when every scenario showed its effect.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { bbcodeToText } from '../../shared/bbcode.ts';
import { isLanguage, type Language } from '../../shared/messages.ts';
import { startVestnik, type Vestnik } from '../../server/vestnik.ts';
import { type MailServer, type SmsGateway, startMailServer, startSmsGateway } from '../receivers.ts';
import { openThrowawayServer } from '../throwaway-server.ts';
import { type PersonKey, personKeys, type RobotKey, staff, type StageKey } from './company.ts';
import { createEars, type Ears } from './ears.ts';
import { createPaper } from './paper.ts';
import { type Demo, seedDemo } from './seed.ts';
import { wordsIn } from './words.ts';

/** Effects take milliseconds; this is how long a busy machine may need. */
const deadlineMs = 20_000;

/** The parts of answers that the demo reads. */
const id = z.object({ id: z.number() });
const shown = {
  item: z.object({ id: z.number(), title: z.string(), values: z.record(z.string(), z.unknown()) }),
  runs: z.object({ items: z.array(z.object({ robotId: z.number(), state: z.string(), explanation: z.string(), results: z.record(z.string(), z.unknown()).nullable() })) }),
  notes: z.object({ items: z.array(z.object({ body: z.string(), senderId: z.number().nullable(), itemId: z.number().nullable() })) }),
  chats: z.object({ items: z.array(z.object({ id: z.number(), kind: z.string(), title: z.string(), partnerId: z.number().nullable() })) }),
  members: z.object({ items: z.array(z.object({ employeeId: z.number() })) }),
  messages: z.object({
    items: z.array(z.object({
      kind: z.string(), heading: z.string(), body: z.string(), authorId: z.number().nullable(), itemId: z.number().nullable(), runId: z.number().nullable(),
    })),
  }),
  timeline: z.object({ items: z.array(z.object({ kind: z.string(), employeeId: z.number().nullable(), data: z.record(z.string(), z.unknown()) })) }),
  posts: z.object({
    items: z.array(z.object({
      title: z.string(), body: z.string(), authorId: z.number().nullable(), itemId: z.number().nullable(), files: z.array(z.object({ id: z.number(), name: z.string() })),
    })),
  }),
};

interface Stage {
  demo: Demo;
  vestnik: Vestnik;
  ears: Ears;
  smtp: MailServer;
  gateway: SmsGateway;
}

/** People, acting and reading over HTTP. */
function createCast({ demo, vestnik, ears }: Stage) {
  const tokens = new Map<number, string>();

  async function request(who: PersonKey | null, method: string, path: string, body?: unknown, type = 'application/json'): Promise<Response> {
    const headers: Record<string, string> = {};
    if (who) headers.authorization = `Bearer ${tokens.get(demo.people[who])}`;
    if (body !== undefined) headers['content-type'] = type;
    const answer = await fetch(vestnik.url + path, { method, headers, body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer;
  }

  async function get<Schema extends z.ZodType>(who: PersonKey, path: string, schema: Schema): Promise<z.output<Schema>> {
    return schema.parse(await (await request(who, 'GET', path)).json());
  }

  async function post<Schema extends z.ZodType>(who: PersonKey, path: string, body: unknown, schema: Schema, type?: string): Promise<z.output<Schema>> {
    return schema.parse(await (await request(who, 'POST', path, body, type)).json());
  }

  /** Looks again at every hint until there is something to see. */
  async function until<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(wordsIn(demo.company.language).late(what));
      await ears.next(100);
    }
  }

  return {
    request,
    get,
    post,
    until,
    name: (key: PersonKey): string => `${demo.company.people[key].firstName} ${demo.company.people[key].lastName}`,

    async enter(): Promise<void> {
      for (const key of personKeys.filter((person) => person !== 'dismissed')) {
        const employeeId = demo.people[key];
        const { token } = await vestnik.people.createApiToken({ employeeId, isAdmin: false, language: demo.company.language, timeZone: 'UTC', via: 'system' }, 'demo');
        tokens.set(employeeId, token);
        await ears.listen(employeeId, token);
      }
    },

    /** Also listens to the card of an item, as somebody who looks at it. */
    watch: (key: PersonKey, topics: readonly string[]) => ears.listen(demo.people[key], tokens.get(demo.people[key]) ?? '', topics),

    /** How long after `since` the last of these people heard of it over the WebSocket. */
    async heardAfter(keys: readonly PersonKey[], since: number, fits: { what: string; id?: number; topic?: string }): Promise<number> {
      const moments = await until(fits.what, async () => {
        const heard = keys.map((key) => ears.heard(demo.people[key], since, { topic: `employee:${demo.people[key]}`, ...fits })?.at);
        return heard.every((at) => at !== undefined) ? heard : undefined;
      });
      return Math.max(...moments) - since;
    },
  };
}

async function play(stage: Stage, paper: ReturnType<typeof createPaper>): Promise<void> {
  const { demo, vestnik, smtp, gateway } = stage;
  const { company } = demo;
  const words = wordsIn(company.language);
  const cast = createCast(stage);
  const { get, post, name, until, heardAfter } = cast;
  const names = (keys: readonly PersonKey[]): string => keys.map(name).join(', ');
  const nameOf = (employeeId: number | null): string => {
    const key = personKeys.find((candidate) => demo.people[candidate] === employeeId);
    return key ? name(key) : '–';
  };
  const money = (amount: number): string =>
    new Intl.NumberFormat(company.language, { style: 'currency', currency: company.currency, maximumFractionDigits: 0 }).format(amount);
  const dayIn = (days: number): string => new Date(vestnik.now().getTime() + days * 86_400_000).toISOString().slice(0, 10);
  const page = (letter: keyof typeof words.titles, at: StageKey) => paper.page(letter, words.titles[letter], words.stage(company.stages[at]));
  const inDepartment = (key: (typeof staff)[PersonKey]['department']): PersonKey[] =>
    personKeys.filter((person) => staff[person].department === key && person !== 'dismissed');

  async function newDeal(title: string, amount: number, at: StageKey, fileIds: readonly number[] = []): Promise<number> {
    const made = await post('manager', '/api/items', {
      itemTypeId: demo.itemTypeId, pipelineId: demo.pipelineId, stageId: demo.stages[at], title, amount, ownerId: demo.people.manager,
      contactId: demo.contactIds[0], companyId: demo.companyIds[0], values: { paymentDate: dayIn(7), deliveryDate: dayIn(30), clientFiles: fileIds },
    }, id);
    return made.id;
  }
  async function move(itemId: number, to: StageKey): Promise<void> {
    await cast.request('manager', 'PATCH', `/api/items/${itemId}`, { stageId: demo.stages[to] });
  }
  /** Once the robot has decided about the item. */
  const run = (itemId: number, robot: RobotKey) =>
    until(robot, async () => (await get('manager', `/api/runs?itemId=${itemId}`, shown.runs)).items.find((one) => one.robotId === demo.robots[robot] && one.state !== 'waiting'));

  await cast.enter();
  const sales = inDepartment('sales');
  const [bigAmount, smallAmount] = [1_500_000, 280_000];

  // A
  const a = page('A', 'request');
  a.say(words.created(name('manager'), words.deals.big, money(bigAmount)));
  const review = await post('manager', `/api/drive/attachments?name=${encodeURIComponent(words.review.name)}`, words.review.text, id, 'application/octet-stream');
  let since = performance.now();
  const big = await newDeal(words.deals.big, bigAmount, 'request', [review.id]);
  const bellMs = await heardAfter(sales, since, { what: 'notifications' });
  const noteOf = async (key: PersonKey) => (await get(key, '/api/notifications', shown.notes)).items.find((note) => note.itemId === big);
  const notes = await Promise.all(sales.map(noteOf));
  a.check(notes.every((note) => note !== undefined), words.bell(sales.length), bellMs);
  a.detail(names(sales));
  a.detail(`${words.from}: ${nameOf(notes[0]?.senderId ?? null)}; ${words.seenBy(name('salesHead'))}:`);
  a.quote(bbcodeToText((await noteOf('salesHead'))?.body ?? ''));
  a.detail(`${words.seenBy(name('managerAbroad'))}:`);
  a.quote(bbcodeToText((await noteOf('managerAbroad'))?.body ?? ''));
  a.check((await get('managerAbroad', `/api/items/${big}`, shown.item)).title === words.deals.big, words.linkOpens(name('managerAbroad'), words.deals.big));
  a.check((await noteOf('driver')) === undefined, words.nothingFor(name('driver')));
  const small = await newDeal(words.deals.small, smallAmount, 'request');
  await cast.watch('manager', [`item:${big}`, `item:${small}`]);

  // I
  const i = page('I', 'newDeal');
  i.say(words.moved(name('manager'), words.deals.big));
  since = performance.now();
  await move(big, 'newDeal');
  const letter = await smtp.letters.next(deadlineMs);
  i.check(letter.to[0] === company.people.manager.email, words.letterCame(letter.to.join(', ')), letter.receivedAt - since);
  i.quote(`${words.from}: ${letter.from}\n${words.subject}: ${letter.subject}\n\n${letter.text.trim()}`);
  for (const attachment of letter.attachments) i.check(attachment.content === company.memo.text, `${words.attachment}: ${attachment.name}, ${Buffer.byteLength(attachment.content)} B`);
  i.check(!JSON.stringify(await get('manager', `/api/items/${big}/timeline`, shown.timeline)).includes(letter.subject), words.notInTimeline);

  // D
  const d = page('D', 'contract');
  d.say(words.movedBoth(name('manager'), words.deals.big, words.deals.small));
  since = performance.now();
  await move(big, 'contract');
  const made = await run(big, 'createChat');
  const chatId = Number(made.results?.chatId);
  const founders: PersonKey[] = ['lawyer', 'manager', 'salesHead'];
  const chatMs = await heardAfter(founders, since, { what: 'chats', id: chatId });
  const chatsOf = async (key: PersonKey) => (await get(key, '/api/chats', shown.chats)).items;
  const lists = await Promise.all(founders.map(chatsOf));
  const title = lists[0]?.find((chat) => chat.id === chatId)?.title ?? '';
  d.check(lists.every((list) => list.some((chat) => chat.id === chatId)), words.chatMade(title, names(founders)), chatMs);
  d.check(made.state === 'done', words.result((await vestnik.robots.catalog(company.language)).find((type) => type.id === 'create-group-chat')?.results[0]?.title ?? '', String(chatId)));
  await move(small, 'contract');
  const smallChatId = Number((await run(small, 'createChat')).results?.chatId);
  d.check((await chatsOf('lawyer')).some((chat) => chat.id === smallChatId && chat.id !== chatId), words.smallChat(words.deals.small));

  // E
  const membersOf = async (chat: number) => (await get('manager', `/api/chats/${chat}/members?limit=1000`, shown.members)).items.map((member) => member.employeeId);
  const e = page('E', 'contract');
  e.check((await run(big, 'addLegalHead')).state === 'done' && (await membersOf(chatId)).includes(demo.people.legalHead), words.joined(name('legalHead')),
    await heardAfter(['legalHead'], since, { what: 'chats', id: chatId }));
  const messagesOf = async (key: PersonKey, chat: number) => (await get(key, `/api/chats/${chat}/messages`, shown.messages)).items.filter((message) => message.kind !== 'system');
  const notAdded = await run(small, 'addLegalHead');
  e.check(notAdded.state === 'skipped' && !(await membersOf(smallChatId)).includes(demo.people.legalHead), words.skipped(words.deals.small));
  e.quote(notAdded.explanation);

  // H
  const h = page('H', 'contract');
  const asked = await run(big, 'messageLegalHead');
  const oneToOne = (await chatsOf('legalHead')).find((chat) => chat.kind === 'private' && chat.partnerId === demo.people.manager);
  const [request] = oneToOne ? await messagesOf('legalHead', oneToOne.id) : [];
  h.check(asked.state === 'done' && request !== undefined, words.privateChat(nameOf(request?.authorId ?? null), name('legalHead')),
    await heardAfter(['legalHead'], since, { what: 'chats', id: oneToOne?.id ?? 0 }));
  h.quote(`[${words.kinds[request?.kind ?? '']}] ${request?.heading}\n${bbcodeToText(request?.body ?? '')}`);
  const notAsked = await run(small, 'messageLegalHead');
  h.check(notAsked.state === 'skipped', words.skipped(words.deals.small));
  h.quote(notAsked.explanation);

  // F, first half
  const f = page('F', 'contract');
  const kept = await run(big, 'keepChatId');
  const fieldValue = (await get('manager', `/api/items/${big}`, shown.item)).values.groupChatId;
  f.check(kept.state === 'done' && fieldValue === String(chatId), words.fieldKeeps(company.fields.groupChatId, String(fieldValue)));

  // B
  const b = page('B', 'invoice');
  b.say(words.moved(name('manager'), words.deals.big));
  since = performance.now();
  await move(big, 'invoice');
  await run(big, 'commentInvoice');
  const comment = await until('comment', async () => (await get('manager', `/api/items/${big}/timeline`, shown.timeline)).items.find((entry) => entry.kind === 'comment'));
  const body = bbcodeToText(String(comment.data.body));
  b.check(comment.employeeId === demo.people.manager, words.comment(nameOf(comment.employeeId)),
    await heardAfter(['manager'], since, { topic: `item:${big}`, what: 'timeline' }));
  b.quote(body);
  const link = /https?:\/\/\S+/.exec(body)?.[0] ?? '';
  const opened = await fetch(link);
  const invoice = readable(await opened.text());
  b.check(opened.status === 200 && invoice.includes(words.deals.big), words.invoiceOpens(opened.status));
  b.quote(invoice);

  // J
  const j = page('J', 'payment');
  j.say(words.moved(name('manager'), words.deals.big));
  since = performance.now();
  await move(big, 'payment');
  const submission = await gateway.submissions.next(deadlineMs);
  const sms = z.object({ to: z.string(), text: z.string() }).parse(JSON.parse(submission.body));
  j.check(sms.to.length > 8 && sms.text.length <= 200, words.smsCame(`${sms.to} (${name('manager')})`, [...sms.text].length), submission.receivedAt - since);
  j.quote(sms.text);

  // F, second half
  const f2 = page('F', 'assembly');
  await cast.request('lawyer', 'POST', `/api/chats/${chatId}/messages`, { body: words.lawyerSays });
  f2.say(words.wrote(name('lawyer'), words.lawyerSays));
  f2.say(words.moved(name('manager'), words.deals.big));
  const warehouse = inDepartment('warehouse');
  since = performance.now();
  await move(big, 'assembly');
  await run(big, 'addAssemblers');
  const joinedMs = await heardAfter(warehouse, since, { what: 'chats', id: chatId });
  const members = await membersOf(chatId);
  f2.check(warehouse.every((key) => members.includes(demo.people[key])), words.joined(names(warehouse)), joinedMs);
  f2.check(fieldValue === String(chatId), words.fromField(company.fields.groupChatId));
  f2.check((await messagesOf('legalHead', chatId)).some((one) => one.body === words.lawyerSays), words.seesHistory(name('legalHead')));
  f2.check((await messagesOf('driver', chatId)).length === 0, words.hidesHistory(name('driver')));

  // G
  const g = page('G', 'delivery');
  g.say(words.moved(name('manager'), words.deals.big));
  since = performance.now();
  await move(big, 'delivery');
  await run(big, 'messageChat');
  const everyone: PersonKey[] = [...founders, 'legalHead', ...warehouse];
  const messageMs = await heardAfter(everyone, since, { what: 'chats', id: chatId });
  const message = (await messagesOf('driver', chatId)).at(-1);
  g.check(message?.kind === 'notice' && message.authorId === demo.people.manager, words.groupMessage(nameOf(message?.authorId ?? null), words.kinds[message?.kind ?? ''] ?? ''), messageMs);
  g.quote(`${bbcodeToText(message?.body ?? '')}\n${message?.runId ? `(${words.byRobot})` : ''}`);
  const card = await get('driver', `/api/items/${message?.itemId}`, shown.item);
  g.check(card.id === big && message?.runId !== null, words.chatOpens(name('driver'), card.title));

  // C
  const c = page('C', 'won');
  c.say(words.movedBoth(name('manager'), words.deals.big, words.deals.small));
  since = performance.now();
  await move(big, 'won');
  await run(big, 'post');
  const readers: PersonKey[] = [...sales, 'director'];
  const postMs = await heardAfter(readers, since, { what: 'posts' });
  const postsOf = async (key: PersonKey, query = '') => (await get(key, `/api/posts${query}`, shown.posts)).items.filter((one) => one.itemId === big || one.itemId === small);
  const [news] = await postsOf('director');
  c.check(news !== undefined, words.post(nameOf(news?.authorId ?? null)), postMs);
  c.quote(`${news?.title}\n${bbcodeToText(news?.body ?? '')}`);
  const seen = await Promise.all(readers.map((key) => postsOf(key)));
  c.check(seen.every((list) => list.length === 1), words.postSeen(names(readers)));
  const [tag = ''] = company.robots.post.tags;
  c.check((await postsOf('director', `?tag=${encodeURIComponent(tag)}`)).length === 1, words.tagFinds(tag));
  for (const file of news?.files ?? []) {
    const bytes = await (await cast.request('director', 'GET', `/api/drive/files/${file.id}/content`)).text();
    c.check(bytes === words.review.text, words.fileOpens(file.name, Buffer.byteLength(bytes)));
  }
  c.check((await postsOf('driver')).length === 0, words.noPost(name('driver')));
  await move(small, 'won');
  const notPosted = await run(small, 'post');
  c.check(notPosted.state === 'skipped' && (await postsOf('director')).length === 1, words.skipped(words.deals.small));
  c.quote(notPosted.explanation);
}

/** What a browser would show of the page of an invoice, a line for a line. */
function readable(html: string): string {
  const body = html.slice(html.indexOf('<main>'));
  return body.replace(/\s+/g, ' ')
    .replace(/<\/(h1|p|dd|tr)>/g, '\n').replace(/<\/(dt|td|th)>/g, '  ').replace(/<[^>]+>/g, '')
    .replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
    .split('\n').map((line) => line.replace(/ {2,}/g, '  ').trim()).filter((line) => line !== '').join('\n');
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { language: { type: 'string', default: 'ru' } } });
  if (!isLanguage(values.language)) {
    console.error('npm run demo [-- --language ru|en]');
    return 2;
  }
  const language: Language = values.language;
  const words = wordsIn(language);
  const paper = createPaper((line) => console.log(line), words.table.time);
  paper.heading(words.heading);
  paper.text(words.preparing);

  /** What was started, to be stopped in the opposite order, whatever happens. */
  const started: (() => Promise<void> | void)[] = [];
  let cleaning: Promise<void> | undefined;
  const clean = (): Promise<void> => (cleaning ??= (async () => {
    for (const stop of started.reverse()) await stop();
  })());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void clean().finally(() => process.exit(130)));

  try {
    const database = await openThrowawayServer({ databaseUrl: process.env.DATABASE_URL, isDurable: true });
    started.push(() => database.close());
    const dataDir = await mkdtemp(join(tmpdir(), 'vestnik-demo-'));
    started.push(() => rm(dataDir, { recursive: true, force: true }));
    const smtp = await startMailServer();
    started.push(() => smtp.stop());
    const gateway = await startSmsGateway();
    started.push(() => gateway.stop());
    const vestnik = await startVestnik({
      databaseUrl: await database.createDatabase('demo'), port: 0, host: '127.0.0.1', dataDir, secret: 'only for the minute this demo lasts', logLevel: 'error',
    });
    started.push(() => vestnik.stop());
    await vestnik.firstStart({ company: { name: 'Vestnik', language }, admin: { email: 'admin@vestnik.local', firstName: 'Admin' } });

    const seededAt = performance.now();
    const demo = await seedDemo(vestnik, { language, smtp, smsGateway: gateway });
    if (!demo) throw new Error('A fresh database holds a demo company.');
    const seconds = new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format((performance.now() - seededAt) / 1000);
    paper.text(words.ready(demo.company.name, Object.keys(demo.people).length, demo.company.deals.length, Object.keys(demo.robots).length, seconds));
    paper.text(words.servers(`${smtp.host}:${smtp.port}`, gateway.url));

    const ears = createEars(vestnik.url);
    started.push(() => ears.close());
    await play({ demo, vestnik, ears, smtp, gateway }, paper);
  } catch (error) {
    // The table below shows how far it went.
    paper.page('✗', words.table.failed, language).check(false, error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await clean();
  }

  paper.table(words);
  paper.text(words.timeNote);
  const failed = paper.rows.reduce((sum, row) => sum + row.failed, 0);
  const checks = paper.rows.reduce((sum, row) => sum + row.checks, 0);
  paper.text(failed === 0 ? words.allDone(checks) : words.notAll(failed));
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
