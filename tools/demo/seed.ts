/**
 * Fills a fresh installation with the demo company: `npm start -- --demo`, and the stage of `npm run demo`.
 *
 * Everything goes through the front doors, as a person's work would. The deals are there before the
 * robots are published, so no robot fires for what was there already.
 */
import { randomInt } from 'node:crypto';
import type { Language } from '../../shared/messages.ts';
import type { Actor } from '../../server/people/people.ts';
import type { Modules } from '../../server/vestnik.ts';
import {
  type DemoCompany, demoCompany, type DepartmentKey, type FieldKey, fieldKeys, type PersonKey, personKeys, type RobotKey, robotKeys, staff, type StageKey, stageKeys,
} from './company.ts';
import { demoRobots } from './robots.ts';

export interface DemoOptions {
  language: Language;
  /** The company keeps the name, time zone and currency it was given; it only gets the demo's people, deals and robots. */
  keepsCompany?: boolean;
  /** A mail server that takes letters without a password. Without one the robot that writes letters is off. */
  smtp?: { host: string; port: number };
  /** An address that takes SMS by HTTP POST. Without one the robot that sends SMS is off. */
  smsGateway?: { url: string };
}

export interface Demo {
  company: DemoCompany;
  /** Of everybody in the demo company, to look at it through anybody's eyes. */
  password: string;
  people: Record<PersonKey, number>;
  departments: Record<DepartmentKey, number>;
  itemTypeId: number;
  pipelineId: number;
  stages: Record<StageKey, number>;
  robots: Record<RobotKey, number>;
  contactIds: number[];
  companyIds: number[];
}

const colors: Record<StageKey, string> = {
  request: '#39A8EF', newDeal: '#2FC6F6', contract: '#55D0E0', invoice: '#47E4C2', payment: '#A5DE00', assembly: '#FFD400', delivery: '#FFA900',
  won: '#7BD500', lost: '#FF5752',
};

/** Where the company keeps that it is the demo: in the settings of the company. */
const mark = 'demo';

/** Into a fresh installation: a company with its administrator. null: the demo is there already, nothing was done. */
export async function seedDemo(vestnik: Modules, { language, keepsCompany = false, smtp, smsGateway }: DemoOptions): Promise<Demo | null> {
  const { db, people, crm, robots, now } = vestnik;
  const before = await people.directory(db);
  if (before.company.settings[mark] === true) return null;
  const admin = before.employees.find((employee) => employee.isAdmin && employee.dismissedAt === null);
  if (!admin) throw new Error('The demo company needs an administrator: start with an empty database.');
  const actor = actorOf(admin.id, { isAdmin: true, language });
  const company = demoCompany(language);

  if (!keepsCompany) await people.changeCompany(actor, { name: company.name, language, timeZone: company.timeZone, currency: company.currency, country: company.country });
  const departments = await seedDepartments(vestnik, actor, company);
  const password = demoPassword();
  const peopleIds = await seedPeople(vestnik, actor, company, departments, password);
  const { itemTypeId, pipelineId, stages } = await seedPipeline(vestnik, actor, company);
  const clients = await seedDeals(vestnik, { company, people: peopleIds, itemTypeId, pipelineId, stages });
  const memo = await vestnik.drive.importFile(null, {
    storage: 'company', name: company.memo.name, bytes: Buffer.from(company.memo.text), createdBy: peopleIds.salesHead,
  });
  await seedTalk(vestnik, company, peopleIds, departments);
  if (smtp) {
    await vestnik.mail.createSender(actor, {
      name: company.name, address: `vestnik@${company.people.director.email.split('@')[1]}`, host: smtp.host, port: smtp.port, security: 'none', username: '', password: '', isDefault: true,
    });
  }
  if (smsGateway) {
    await vestnik.sms.createProvider(actor, {
      type: 'http', name: 'HTTP', secrets: {}, isDefault: true,
      settings: {
        url: smsGateway.url, format: 'json', body: JSON.stringify({ to: '{phone}', text: '{text}', reference: '{id}' }), messageIdPath: 'id',
        // The demo's gateway is on this machine.
        allowPrivateHost: true,
      },
    });
  }

  // What has arrived so far has arrived before there were robots.
  await vestnik.jobs.drain();
  const robotIds = await reserveRobotIds(vestnik);
  const saved = await robots.saveSet(actor, pipelineId, {
    revision: 0,
    robots: demoRobots({
      company, robots: robotIds, stages, people: peopleIds, departments, memoFileId: memo.id, hasMail: smtp !== undefined, hasSms: smsGateway !== undefined,
    }),
  });
  await robots.publishSet(actor, pipelineId, { revision: saved.revision, note: '' });
  await db.transaction((tx) => people.changeCompanySettings(tx, { [mark]: true }));
  await giveHeadRole(vestnik, actor, peopleIds);
  return { company, password, people: peopleIds, departments, itemTypeId, pipelineId, stages, robots: robotIds, ...clients };

  async function reserveRobotIds({ robots: front }: Modules): Promise<Record<RobotKey, number>> {
    const ids = await front.reserveIds(robotKeys.length);
    return record(robotKeys, (_, index) => ids[index] ?? 0);
  }

  async function seedDeals(
    { drive }: Modules,
    at: { company: DemoCompany; people: Record<PersonKey, number>; itemTypeId: number; pipelineId: number; stages: Record<StageKey, number> },
  ): Promise<{ contactIds: number[]; companyIds: number[] }> {
    return db.transaction(async (tx) => {
      const contactIds: number[] = [];
      const companyIds: number[] = [];
      for (const client of company.clients) {
        const firm = await crm.createCompany(tx, null, { title: client.company, phones: [client.phone], emails: [client.email], address: client.address, ownerId: at.people.salesHead });
        const contact = await crm.createContact(tx, null, {
          firstName: client.firstName, lastName: client.lastName, position: client.position, phones: [client.phone], emails: [client.email],
          companyId: firm.id, ownerId: at.people.salesHead,
        });
        companyIds.push(firm.id);
        contactIds.push(contact.id);
      }
      const review = await drive.importFile(tx, {
        storage: 'attachments', name: company.review.name, bytes: Buffer.from(company.review.text), createdBy: at.people.manager,
      });
      const day = (days: number | undefined): string | null =>
        days === undefined ? null : new Date(now().getTime() + days * 86_400_000).toISOString().slice(0, 10);
      // Whoever won a big deal has a review to show.
      const reviewed = company.deals.findIndex((deal) => deal.stage === 'delivery');
      const items = await crm.createItems(tx, company.deals.map((deal, index) => ({
        itemTypeId: at.itemTypeId,
        pipelineId: at.pipelineId,
        stageId: at.stages[deal.stage],
        fields: {
          title: deal.title, amount: deal.amount, ownerId: at.people[deal.owner], contactId: contactIds[deal.client], companyId: companyIds[deal.client],
          paymentDate: day(deal.paymentIn), deliveryDate: day(deal.deliveryIn), ...(index === reviewed ? { clientFiles: [review.id] } : {}),
        },
      })), { employeeId: at.people.salesHead, cause: 'system' }, null);
      await drive.attachMany(tx, [{ fileId: review.id, targetKind: 'item', targetId: items[reviewed]?.id ?? 0 }]);
      return { contactIds, companyIds };
    });
  }
}

async function seedDepartments({ people }: Modules, actor: Actor, company: DemoCompany): Promise<Record<DepartmentKey, number>> {
  const root = await people.createDepartment(actor, { name: company.departments.company });
  const under = (key: DepartmentKey) => people.createDepartment(actor, { name: company.departments[key], parentId: root });
  return {
    company: root,
    sales: await under('sales'),
    legal: await under('legal'),
    warehouse: await under('warehouse'),
    accounting: await under('accounting'),
    administration: await under('administration'),
  };
}

async function seedPeople(
  { db, people }: Modules, actor: Actor, company: DemoCompany, departments: Record<DepartmentKey, number>, password: string,
): Promise<Record<PersonKey, number>> {
  const ids = await db.transaction((tx) => people.createEmployees(tx, personKeys.map((key) => {
    const { department, role } = staff[key];
    return { ...company.people[key], password, departments: [{ id: departments[department], role }] };
  })));
  const byKey = record(personKeys, (_, index) => ids[index] ?? 0);
  await people.dismissEmployee(actor, byKey.dismissed);
  return byKey;
}

/** The usual pipeline of deals becomes the article's: its stages renamed, the missing ones added, own fields made. */
async function seedPipeline(
  { db, crm }: Modules, actor: Actor, company: DemoCompany,
): Promise<{ itemTypeId: number; pipelineId: number; stages: Record<StageKey, number> }> {
  return db.transaction(async (tx) => {
    const model = await crm.model(tx);
    const type = model.itemTypeByCode('deal');
    const pipeline = type && model.pipelinesOf(type.id).find((candidate) => candidate.isDefault);
    if (!pipeline) throw new Error('There is no pipeline of deals.');
    await crm.changePipeline(tx, actor, pipeline.id, { name: company.pipeline });
    const usual = Map.groupBy(pipeline.stages, (stage) => stage.semantics);
    const take = (kind: 'process' | 'success' | 'failure') => usual.get(kind)?.shift();
    const made: [StageKey, number][] = [];
    for (const key of stageKeys) {
      const known = take(key === 'won' ? 'success' : key === 'lost' ? 'failure' : 'process');
      const look = { name: company.stages[key], color: colors[key] };
      if (known) await crm.changeStage(tx, actor, known.id, look);
      made.push([key, known?.id ?? (await crm.createStage(tx, actor, pipeline.id, look))]);
    }
    for (const left of [...usual.values()].flat()) await crm.deleteStage(tx, actor, left.id);
    const types: Record<FieldKey, 'string' | 'date' | 'file'> = { groupChatId: 'string', paymentDate: 'date', deliveryDate: 'date', clientFiles: 'file' };
    for (const code of fieldKeys) {
      await crm.createField(tx, actor, { itemTypeId: pipeline.itemTypeId, code, name: company.fields[code], type: types[code], isMultiple: types[code] === 'file' });
    }
    const ids = new Map(made);
    return { itemTypeId: pipeline.itemTypeId, pipelineId: pipeline.id, stages: record(stageKeys, (key) => ids.get(key) ?? 0) };
  });
}

/** Posts and a chat of people, so that the company is not all robots. */
async function seedTalk({ feed, chat }: Modules, company: DemoCompany, people: Record<PersonKey, number>, departments: Record<DepartmentKey, number>): Promise<void> {
  const as = (key: PersonKey): Actor => actorOf(people[key], { isAdmin: false, language: company.people[key].language ?? company.language });
  for (const { author, title, text, tags } of company.posts) {
    await feed.create(as(author), { title, body: text, tags, audience: [{ kind: 'everyone' }], fileIds: [], isImportant: false });
  }
  const group = await chat.create(as('salesHead'), { kind: 'closed', title: company.chat.title, memberIds: [], departmentIds: [departments.sales] });
  for (const { author, text } of company.chat.messages) {
    await chat.send(as(author), group.id, { kind: 'plain', heading: '', body: text, fileIds: [] });
  }
}

/** The head of sales configures the robots of his pipeline. */
async function giveHeadRole({ db, people }: Modules, actor: Actor, ids: Record<PersonKey, number>): Promise<void> {
  const roles = await people.accessRoles(db, actor);
  const role = roles.find((candidate) => candidate.rights.some((right) => right.action === 'robots' && right.scope === 'all'));
  if (role) await people.changeAccessRole(actor, role.id, { members: [...role.members, { kind: 'employee', id: ids.salesHead }] });
}

function actorOf(employeeId: number, { isAdmin, language }: { isAdmin: boolean; language: Language }): Actor {
  return { employeeId, isAdmin, language, timeZone: 'UTC', via: 'system' };
}

/** Of everybody in the demo; without letters and digits that are mistaken for each other. */
function demoPassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  const word = () => Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join('');
  return `${word()}-${word()}`;
}

function record<Key extends string, Value>(keys: readonly Key[], value: (key: Key, index: number) => Value): Record<Key, Value>;
function record(keys: readonly string[], value: (key: string, index: number) => unknown): Record<string, unknown> {
  return Object.fromEntries(keys.map((key, index) => [key, value(key, index)]));
}
