/**
 * The demo company: the one of the article about robots that inform employees, with its departments,
 * people, deals and the ten robots of its scenarios. What is the same in both languages is here; names
 * and texts are in company.ru.ts and company.en.ts. All people, phones and addresses are made up.
 */
import type { Language } from '../../shared/messages.ts';
import { companyInEnglish } from './company.en.ts';
import { companyInRussian } from './company.ru.ts';

export type DepartmentKey = 'company' | 'sales' | 'legal' | 'warehouse' | 'accounting' | 'administration';

export type PersonKey =
  | 'director' | 'salesHead' | 'salesDeputy' | 'manager' | 'managerFarAway' | 'managerAbroad' | 'legalHead' | 'lawyer'
  | 'warehouseHead' | 'assembler' | 'packer' | 'driver' | 'accountingHead' | 'accountant' | 'officeManager' | 'assistant' | 'dismissed';

/** The stages of the article, in the order of the company's work. */
export const stageKeys = ['request', 'newDeal', 'contract', 'invoice', 'payment', 'assembly', 'delivery', 'won', 'lost'] as const;
export type StageKey = (typeof stageKeys)[number];

/** Own fields of deals: key and code are one. */
export const fieldKeys = ['groupChatId', 'paymentDate', 'deliveryDate', 'clientFiles'] as const;
export type FieldKey = (typeof fieldKeys)[number];

/** The robots of the scenarios A–J; B and F need a second one each. */
export const robotKeys = [
  'notifySales', 'emailOwner', 'createChat', 'keepChatId', 'addLegalHead', 'messageLegalHead', 'createInvoice', 'commentInvoice', 'smsOwner',
  'addAssemblers', 'messageChat', 'post',
] as const;
export type RobotKey = (typeof robotKeys)[number];

export interface PersonTexts {
  firstName: string;
  lastName: string;
  secondName?: string;
  position: string;
  email: string;
  mobilePhone: string;
  /** Only where it is not the company's. */
  language?: Language;
  timeZone?: string;
}

export interface DemoCompany {
  language: Language;
  name: string;
  timeZone: string;
  currency: string;
  country: string;
  departments: Record<DepartmentKey, string>;
  people: Record<PersonKey, PersonTexts>;
  pipeline: string;
  stages: Record<StageKey, string>;
  fields: Record<FieldKey, string>;
  /** Title of a robot that waits until mail or SMS is set up: says so, and where. */
  needsMail: string;
  needsSms: string;
  robots: {
    notifySales: { title: string; text: string };
    emailOwner: { title: string; subject: string; text: string };
    createChat: { title: string; chatTitle: string };
    keepChatId: { title: string };
    addLegalHead: { title: string };
    messageLegalHead: { title: string; heading: string; text: string };
    createInvoice: { title: string; invoiceTitle: string };
    /** @param invoice the id of the robot that makes the invoice */
    commentInvoice: { title: string; text: (invoice: number) => string };
    smsOwner: { title: string; text: string };
    addAssemblers: { title: string };
    messageChat: { title: string; text: string };
    post: { title: string; heading: string; text: string; tags: string[] };
  };
  /** A file on the company's drive, for the letter. */
  memo: { name: string; text: string };
  /** A file in the field of one deal, for the post. */
  review: { name: string; text: string };
  clients: { company: string; firstName: string; lastName: string; position: string; phone: string; email: string; address: string }[];
  /** `client` is a place in `clients`. The days are counted from the day of the seed. */
  deals: { title: string; amount: number; client: number; owner: PersonKey; stage: StageKey; paymentIn?: number; deliveryIn?: number }[];
  posts: { author: PersonKey; title: string; text: string; tags: string[] }[];
  chat: { title: string; messages: { author: PersonKey; text: string }[] };
}

/** Who works where; the first role of a person is the one people know them by. */
export const staff: Record<PersonKey, { department: DepartmentKey; role: 'head' | 'deputy' | 'employee' }> = {
  director: { department: 'company', role: 'head' },
  salesHead: { department: 'sales', role: 'head' },
  salesDeputy: { department: 'sales', role: 'deputy' },
  manager: { department: 'sales', role: 'employee' },
  managerFarAway: { department: 'sales', role: 'employee' },
  managerAbroad: { department: 'sales', role: 'employee' },
  legalHead: { department: 'legal', role: 'head' },
  lawyer: { department: 'legal', role: 'employee' },
  warehouseHead: { department: 'warehouse', role: 'head' },
  assembler: { department: 'warehouse', role: 'employee' },
  packer: { department: 'warehouse', role: 'employee' },
  driver: { department: 'warehouse', role: 'employee' },
  accountingHead: { department: 'accounting', role: 'head' },
  accountant: { department: 'accounting', role: 'employee' },
  officeManager: { department: 'administration', role: 'head' },
  assistant: { department: 'administration', role: 'deputy' },
  dismissed: { department: 'sales', role: 'employee' },
};

export const personKeys: readonly PersonKey[] = [
  'director', 'salesHead', 'salesDeputy', 'manager', 'managerFarAway', 'managerAbroad', 'legalHead', 'lawyer', 'warehouseHead', 'assembler',
  'packer', 'driver', 'accountingHead', 'accountant', 'officeManager', 'assistant', 'dismissed',
];

export function demoCompany(language: Language): DemoCompany {
  return language === 'ru' ? companyInRussian : companyInEnglish;
}
