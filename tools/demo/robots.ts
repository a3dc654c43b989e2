/** The robots of the scenarios A–J, as the article describes them, for the stages of the demo company. */
import type { Condition } from '../../shared/api/robots.ts';
import type { RobotRecord } from '../../server/robots/robots.ts';
import type { DemoCompany, DepartmentKey, PersonKey, RobotKey, StageKey } from './company.ts';

/** From which amount a deal is a big one: the article's «больше миллиона рублей». */
export const bigAmount = 1_000_000;

const isBig: Condition = { op: 'and', items: [{ left: '{=Document:amount}', operator: 'greater', value: bigAmount }] };

export interface RobotsOf {
  company: DemoCompany;
  robots: Record<RobotKey, number>;
  stages: Record<StageKey, number>;
  people: Record<PersonKey, number>;
  departments: Record<DepartmentKey, number>;
  memoFileId: number;
  /** What is not set up yet: the robots that need it are saved switched off, and say so. */
  hasMail: boolean;
  hasSms: boolean;
}

export function demoRobots({ company, robots, stages, people, departments, memoFileId, hasMail, hasSms }: RobotsOf): RobotRecord[] {
  const texts = company.robots;
  const owner = { kind: 'role', role: 'owner' };
  const robot = (key: RobotKey, stage: StageKey, type: string, title: string, settings: Record<string, unknown>, more: Partial<RobotRecord> = {}): RobotRecord => ({
    id: robots[key], stageId: stages[stage], type, typeVersion: 1, title, isEnabled: true, order: 'afterPrevious', timing: { kind: 'now' },
    condition: null, oncePerItem: false, settings, ...more,
  });
  const chatOfRobot = `{=A${robots.createChat}:chatId}`;
  const unless = (isReady: boolean, title: string, needs: string) => ({ title: isReady ? title : `${title} (${needs})`, isEnabled: isReady });
  return [
    // A
    robot('notifySales', 'request', 'notify', texts.notifySales.title, {
      text: texts.notifySales.text,
      sender: { kind: 'employee', id: people.salesHead },
      recipients: [{ kind: 'department', id: departments.sales }],
    }),
    // I
    robot('emailOwner', 'newDeal', 'send-email', '', {
      recipients: [owner], subject: texts.emailOwner.subject, text: texts.emailOwner.text, attachments: { kind: 'drive', fileIds: [memoFileId] },
    }, unless(hasMail, texts.emailOwner.title, company.needsMail)),
    // D
    robot('createChat', 'contract', 'create-group-chat', texts.createChat.title, {
      title: texts.createChat.chatTitle,
      members: [{ kind: 'employee', id: people.lawyer }, owner, { kind: 'role', role: 'ownerHead' }],
    }),
    // F, on the stage where the chat is made
    robot('keepChatId', 'contract', 'change-item', texts.keepChatId.title, { values: [{ field: 'groupChatId', value: chatOfRobot }] }),
    // E
    robot('addLegalHead', 'contract', 'add-chat-members', texts.addLegalHead.title, {
      chat: chatOfRobot, members: [{ kind: 'departmentHead', id: departments.legal }], showHistory: true,
    }, { condition: isBig }),
    // H
    robot('messageLegalHead', 'contract', 'message-private-chat', texts.messageLegalHead.title, {
      sender: owner, recipients: [{ kind: 'departmentHead', id: departments.legal }], kind: 'important',
      heading: texts.messageLegalHead.heading, text: texts.messageLegalHead.text,
    }, { condition: isBig }),
    // B
    robot('createInvoice', 'invoice', 'create-invoice', texts.createInvoice.title, {
      title: texts.createInvoice.invoiceTitle, dueOn: '{=Document:paymentDate}',
    }),
    robot('commentInvoice', 'invoice', 'comment', texts.commentInvoice.title, { text: texts.commentInvoice.text(robots.createInvoice) }),
    // J
    robot('smsOwner', 'payment', 'send-sms', '', { text: texts.smsOwner.text, recipients: [owner] },
      unless(hasSms, texts.smsOwner.title, company.needsSms)),
    // F, two stages later: the chat comes from the field
    robot('addAssemblers', 'assembly', 'add-chat-members', texts.addAssemblers.title, {
      chat: '{=Document:groupChatId}', members: [{ kind: 'department', id: departments.warehouse }], showHistory: false,
    }),
    // G: the chat comes straight from the robot of the earlier stage
    robot('messageChat', 'delivery', 'message-group-chat', texts.messageChat.title, {
      chat: chatOfRobot, sender: owner, kind: 'notice', text: texts.messageChat.text,
    }),
    // C
    robot('post', 'won', 'post', texts.post.title, {
      title: texts.post.heading, text: texts.post.text, author: { kind: 'departmentHead', id: departments.sales },
      recipients: [{ kind: 'department', id: departments.sales }, { kind: 'employee', id: people.director }],
      attachments: { kind: 'field', field: 'clientFiles' }, tags: texts.post.tags,
    }, { condition: isBig }),
  ];
}
