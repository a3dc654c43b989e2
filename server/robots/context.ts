/**
 * What a running robot can reach: RobotContext and ResolveScope over one batch. Every "write" appends
 * rows to the effects of the run; every "read" was loaded before or is loaded set by set: runs of a
 * batch that wait for the same kind of thing are answered by one query (`createLoader`).
 */
import { randomBytes } from 'node:crypto';
import { UserError } from '../../shared/errors.ts';
import { errorMessage, text as message } from '../../shared/messages.ts';
import { type Crm, isEmpty, type ItemRow, type Origin, planChange, planInvoice, publicPath, verifyReferences } from '../crm/crm.ts';
import type { Tx } from '../db/db.ts';
import type { Chat, RobotChat } from '../messaging/chat/chat.ts';
import { type Directory, expandRecipients, fullName } from '../people/people.ts';
import type { ResolveScope, Text } from './field.ts';
import { type MessageKind, type RobotContext, RobotFailure } from './robot.ts';
import { itemLink, type Surroundings } from './source.ts';
import type { ArrivalRow, RunTrace } from './store.ts';
import type { Effects } from './unit-of-work.ts';
import { idOf, type Reader, type ValueSource } from './values.ts';

/** Answers many callers of the same turn with one query. */
function createLoader<Key, Value>(load: (keys: Key[]) => Promise<ReadonlyMap<Key, Value>>): (key: Key) => Promise<Value | undefined> {
  const known = new Map<Key, Promise<Value | undefined>>();
  let waiting: { keys: Key[]; answer: Promise<ReadonlyMap<Key, Value>> } | undefined;
  return (key) => {
    let found = known.get(key);
    if (!found) {
      if (!waiting) {
        const keys: Key[] = [];
        // After everything that can run now has run, and so has asked.
        const answer = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
          waiting = undefined;
          return load(keys);
        });
        waiting = { keys, answer };
      }
      waiting.keys.push(key);
      found = waiting.answer.then((values) => values.get(key));
      known.set(key, found);
    }
    return found;
  };
}

/** Numbers, one by one; those asked for in the same turn are taken by one query. */
export function createNumbering(take: (count: number) => Promise<number[]>): () => Promise<number> {
  let asked: { count: number; answer: Promise<number[]> } | undefined;
  return async () => {
    if (!asked) {
      const now = { count: 0, answer: Promise.resolve<number[]>([]) };
      now.answer = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        asked = undefined;
        return take(now.count);
      });
      asked = now;
    }
    const { answer } = asked;
    const place = asked.count++;
    const number = (await answer)[place];
    if (number === undefined) throw new Error('A sequence gave fewer numbers than were asked for.');
    return number;
  };
}

export interface Channels {
  /** Names by id. */
  mailSenders: ReadonlyMap<number, string>;
  defaultMailSenderId: number | null;
  smsProviders: ReadonlyMap<number, string>;
  defaultSmsProviderId: number | null;
}

/** Numbers of sequences. */
export interface Numbers {
  chat(): Promise<number>;
  post(): Promise<number>;
  item(): Promise<number>;
  invoice(): Promise<number>;
}

/** What all runs of a batch share. */
export interface Batch {
  readonly tx: Tx;
  readonly now: Date;
  readonly around: Surroundings;
  readonly channels: Channels;
  readonly numbers: Numbers;
  readonly crm: Crm;
  readonly chat: Chat;
  /** Chats as the database has them, and those that runs of this batch created. */
  readonly chatById: (id: number) => Promise<RobotChat | undefined>;
  readonly newChats: Map<number, { memberIds: number[] }>;
  /** 'smaller id:larger id' → the private chat, made when it was missing. */
  readonly privateChat: (key: string) => Promise<number | undefined>;
}

export function createBatch(parts: Omit<Batch, 'chatById' | 'newChats' | 'privateChat'>): Batch {
  const { tx, chat } = parts;
  return {
    ...parts,
    newChats: new Map(),
    chatById: createLoader((ids: number[]) => chat.forRobots(tx, ids)),
    privateChat: createLoader((keys: string[]) =>
      chat.ensurePrivate(tx, keys.map((key) => {
        const [a = 0, b = 0] = key.split(':').map(Number);
        return [a, b] as const;
      }))),
  };
}

/** One item in the batch: its row as the robots so far have left it. */
export interface ItemState {
  row: ItemRow;
}

export interface RunScope {
  readonly context: RobotContext & ResolveScope;
  readonly effects: Effects;
  /** Row of the item as this run left it; counts when the run succeeded. */
  row(): ItemRow;
  readonly notes: NonNullable<RunTrace['notes']>;
  /** Until when the run waits for an application to answer; undefined: it does not. */
  waitsUntil(): Date | undefined;
  /** A refusal that the robot turned into a result: the run is failed, and its results are kept. */
  refusal(): { code: string; params: Record<string, unknown> } | undefined;
}

export function readerOf(directory: Directory, employeeId: number | null): Reader {
  const employee = employeeId === null ? undefined : directory.employee(employeeId);
  const { company } = directory;
  return {
    language: employee?.language ?? company.language,
    timeZone: employee?.timeZone ?? company.timeZone,
    companyCurrency: company.currency,
  };
}

export function createRunScope(
  batch: Batch,
  { arrival, runId, robotId, state, source, effects }: {
    arrival: ArrivalRow;
    runId: number;
    robotId: number;
    state: ItemState;
    source: ValueSource;
    effects: Effects;
  },
): RunScope {
  const { around, now, channels } = batch;
  const { directory, model } = around;
  const notes: NonNullable<RunTrace['notes']> = [];
  let waitsUntil: Date | undefined;
  let refusal: { code: string; params: Record<string, unknown> } | undefined;
  const item = () => state.row;
  const note = (code: string, params: Record<string, unknown> = {}) => notes.push([code, params]);

  const origin = (employeeId: number | null): Origin => ({
    employeeId, cause: 'robot', runId, chainId: arrival.chainId ?? arrival.id, depth: arrival.depth + 1,
  });

  async function existingChat(chatId: number): Promise<RobotChat> {
    const chat = await batch.chatById(chatId);
    if (!chat || chat.deletedAt) throw new RobotFailure('chat.gone', { id: chatId });
    return chat;
  }

  const chosenChats = new Set<number>();
  const context: RobotContext & ResolveScope = {
    chooseChat: (id) => chosenChats.add(id),
    source,
    now,
    note,
    get item() {
      const { id, title, itemTypeId, ownerId } = item();
      return { id, title, itemTypeId, ownerId };
    },
    reader: (employeeId) => readerOf(directory, employeeId),
    recipients(sources) {
      const row = item();
      const found = expandRecipients(directory, sources, {
        ownerId: row.ownerId,
        creatorId: row.creatorId,
        observerIds: row.observerIds,
        moverId: arrival.employeeId,
        fieldEmployees: (code) => {
          const known = source.document(code);
          if (!known) return null;
          return (Array.isArray(known.value) ? known.value : [known.value]).map(idOf).filter((id) => id !== undefined);
        },
      });
      for (const left of found.leftOut) note('left_out', { ...left });
      return found;
    },
    notifications: {
      add({ to, from, text }) {
        for (const employeeId of to) {
          effects.notifications.push({ employeeId, senderId: from, body: text(employeeId), itemId: item().id, link: null, runId, robotId });
        }
      },
    },
    timeline: {
      comment({ author, text }) {
        effects.comments.push({ itemId: item().id, authorId: author, body: text(null), fileIds: [], runId });
      },
    },
    feed: {
      async post({ author, title, text, to, audience, fileIds, tags }) {
        const id = await batch.numbers.post();
        effects.posts.push({
          id, authorId: author, title: title(null), body: text(null), tags: [...tags], fileIds: [...fileIds], audience,
          isForEveryone: audience.some((source) => source.kind === 'everyone'),
          readerIds: author === null ? [...to] : [...new Set([author, ...to])], itemId: item().id, runId,
        });
        return { postId: id, link: `${around.publicUrl}/feed/${id}` };
      },
    },
    chats: {
      async createGroup({ title, members, owner }) {
        const everyone = [...new Set([owner, ...members])];
        if (everyone.length < 2) throw new RobotFailure('recipients.too_few', { min: 2, found: everyone.length });
        const id = await batch.numbers.chat();
        effects.chats.push({ id, kind: 'closed', title: title(null), ownerId: owner, itemId: item().id, runId });
        for (const employeeId of everyone) {
          effects.members.push({ chatId: id, employeeId, role: employeeId === owner ? 'owner' : 'member', historyAfterId: 0, runId });
        }
        batch.newChats.set(id, { memberIds: everyone });
        return id;
      },
      async addMembers(chatId, members, { showHistory }) {
        if (!batch.newChats.has(chatId)) {
          const chat = await existingChat(chatId);
          if (chat.runId === null) throw new RobotFailure('chat.not_by_robot', { title: chat.title, id: chatId });
          // Whoever may fill a field must not let people into a chat that is about something else.
          const isOwn = chat.itemId === item().id || (chat.itemId !== null && chat.itemId === item().parentId);
          if (!isOwn && !chosenChats.has(chatId)) throw new RobotFailure('chat.of_other_item', { title: chat.title, id: chatId });
          const already = members.filter((id) => chat.memberIds.includes(id));
          if (already.length > 0) note('already_members', { ids: already });
        }
        batch.newChats.get(chatId)?.memberIds.push(...members);
        for (const employeeId of members) effects.members.push({ chatId, employeeId, role: 'member', historyAfterId: showHistory ? 0 : null, runId });
      },
      async writeToGroup(chatId, { author, kind, heading, text }) {
        const made = batch.newChats.get(chatId);
        const chat = made ? undefined : await existingChat(chatId);
        if (chat && chat.kind !== 'closed') throw new RobotFailure('chat.not_closed_group', { title: chat.title, id: chatId });
        const memberIds = made?.memberIds ?? chat?.memberIds ?? [];
        if (author !== null && !memberIds.includes(author)) note('sender_not_member', { employeeId: author });
        pushMessage(chatId, author, kind, heading, text, null);
      },
      async writeToPerson(to, { author, kind, heading, text }) {
        const pairs = to.map((employeeId) => ({ employeeId, key: author < employeeId ? `${author}:${employeeId}` : `${employeeId}:${author}` }));
        const ids = await Promise.all(pairs.map(({ key }) => batch.privateChat(key)));
        pairs.forEach(({ employeeId }, index) => {
          const chatId = ids[index];
          if (chatId === undefined) throw new Error('A private chat was neither found nor made.');
          pushMessage(chatId, author, kind, heading, text, employeeId);
        });
      },
    },
    mail: {
      send({ sender, from, to, subject, text, fileIds }) {
        const senderId = sender ?? channels.defaultMailSenderId;
        if (senderId === null) throw new RobotFailure('mail.no_sender');
        if (!channels.mailSenders.has(senderId)) throw new RobotFailure('mail.sender_gone');
        const author = from === null ? undefined : directory.employee(from);
        const addresses = addressed(to, 'employee.no_email', (employee) => employee.email);
        for (const { employee, address } of addresses) {
          effects.deliveries.push({
            channel: 'email', senderId, employeeId: employee.id, address, itemId: item().id, runId,
            content: {
              subject: subject(employee.id), body: text(employee.id), fileIds: [...fileIds], itemLink: itemLink(around.publicUrl, item().id),
              ...(author ? { fromName: fullName(author), replyTo: { name: fullName(author), address: author.email } } : {}),
            },
          });
        }
      },
    },
    sms: {
      send({ provider, to, text }) {
        const senderId = provider ?? channels.defaultSmsProviderId;
        if (senderId === null) throw new RobotFailure('sms.no_provider');
        if (!channels.smsProviders.has(senderId)) throw new RobotFailure('sms.provider_gone');
        for (const { employee, address } of addressed(to, 'employee.no_phone', (person) => person.mobilePhone ?? person.workPhone)) {
          effects.deliveries.push({
            channel: 'sms', senderId, employeeId: employee.id, address, itemId: item().id, runId, content: { text: text(employee.id) },
          });
        }
      },
    },
    apps: {
      call({ appId, code, handler, employeeId, properties, waitsMs }) {
        const token = waitsMs === null ? null : eventToken(arrival, runId);
        if (waitsMs !== null) waitsUntil = new Date(now.getTime() + waitsMs);
        effects.calls.push({
          appId, kind: 'robot', url: handler, employeeId, runId, token,
          content: {
            code, properties, itemId: item().id, itemTypeId: item().itemTypeId, workflowId: workflowId(arrival, runId), token: token ?? eventToken(arrival, runId),
            waitsSeconds: waitsMs === null ? null : waitsMs / 1000,
          },
        });
      },
    },
    items: {
      async change(changes, { as, appendToMultiple }) {
        try {
          const plan = planChange(model, item(), appendToMultiple ? appended(changes) : changes, origin(as), now);
          if (!plan) return '';
          if (plan.references.length > 0) await verifyReferences(batch.tx, directory, [plan]);
          effects.plans.push(plan);
          state.row = plan.after;
          return '';
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          // Whoever reads of a run has no page to refresh: the field is gone for good, and the robot still names it.
          const sentence = error.code === 'item.field_unknown'
            ? message(directory.company.language, 'robots.reasons.field_gone', { field: String(error.params.field) })
            : errorMessage(directory.company.language, error.code, error.params);
          refusal = { code: 'item.refused', params: { error: sentence } };
          return sentence;
        }
      },
      async createInvoice({ title, amount, dueOn, as }) {
        const row = item();
        if (!model.itemTypeByCode('invoice')) throw new RobotFailure('invoice.no_type');
        const sum = amount ?? row.amount;
        if (sum === null || sum <= 0) throw new RobotFailure('invoice.no_amount');
        const [itemId, number] = await Promise.all([batch.numbers.item(), batch.numbers.invoice()]);
        const ownerId = as ?? row.ownerId;
        const { plan, row: invoice } = planInvoice({
          model, deal: { ...row, ownerId }, reserved: { itemId, number }, company: directory.company, origin: origin(ownerId), now,
          title: title(null), lines: [{ name: title(null), quantity: 1, price: sum, amount: sum }], dueOn,
        });
        effects.plans.push(plan);
        effects.invoices.push(invoice);
        return { invoiceId: itemId, number: invoice.number, link: around.publicUrl + publicPath(invoice) };
      },
    },
  };

  function pushMessage(chatId: number, author: number | null, kind: MessageKind, heading: Text | null, text: Text, reader: number | null): void {
    effects.messages.push({ chatId, authorId: author, kind, heading: heading?.(reader) ?? '', body: text(reader), itemId: item().id, runId });
  }

  function addressed(
    ids: readonly number[],
    reason: 'employee.no_email' | 'employee.no_phone',
    address: (employee: NonNullable<ReturnType<Directory['employee']>>) => string | null,
  ) {
    const found = ids.flatMap((id) => {
      const employee = directory.employee(id);
      const where = employee && address(employee);
      if (employee && where) return [{ employee, address: where }];
      note('no_address', { employeeId: id, missing: reason === 'employee.no_phone' ? 'phone' : 'email' });
      return [];
    });
    if (found.length === 0) {
      const [first] = ids;
      const employee = first === undefined ? undefined : directory.employee(first);
      throw new RobotFailure(reason, { employee: employee ? fullName(employee) : '' });
    }
    // Two people at one address get one letter: the key (run, channel, address) is unique.
    return [...new Map(found.map((entry) => [entry.address, entry])).values()];
  }

  /** «Дополнить множественные поля»: what is there stays, new values come after it. */
  function appended(changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return Object.fromEntries(Object.entries(changes).map(([code, value]) => {
      const known = source.document(code);
      if (!known?.field.isMultiple || isEmpty(value)) return [code, value];
      const before = Array.isArray(known.value) ? known.value : [];
      return [code, [...before, ...(Array.isArray(value) ? value : [value])]];
    }));
  }

  return { context, effects, row: item, notes, refusal: () => refusal, waitsUntil: () => waitsUntil };
}

/** One arrival's robots are one workflow to an application. */
function workflowId(arrival: ArrivalRow, runId: number): string {
  return `${arrival.id.toString(16).padStart(14, '0')}.${String(runId).padStart(8, '0')}`;
}

/** By which an application answers a run. Nobody guesses the last part. */
function eventToken(arrival: ArrivalRow, runId: number): string {
  return `${workflowId(arrival, runId)}|A${runId}|${randomBytes(24).toString('base64url')}`;
}
