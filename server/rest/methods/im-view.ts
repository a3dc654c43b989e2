/** Chats, messages and people as im.* shows them, and the names it calls dialogs by. */
import type { SystemMessage } from '../../../shared/api/chat.ts';
import { text } from '../../../shared/messages.ts';
import type { ChatView, ListedChat } from '../../messaging/chat/chat.ts';
import { type Actor, type Directory, type Employee, fullName } from '../../people/people.ts';
import { printMoment } from '../dates.ts';
import { toText } from '../parameter.ts';

/** `chat17`, or the id of a person. */
export type Dialog = { kind: 'chat'; id: number } | { kind: 'employee'; id: number };

export function readDialog(raw: unknown): Dialog | undefined {
  const [, prefix, digits] = /^(chat)?([1-9]\d{0,14})$/i.exec((toText(raw) ?? '').trim()) ?? [];
  if (digits === undefined) return undefined;
  return { kind: prefix === undefined ? 'employee' : 'chat', id: Number(digits) };
}

type Shown = Pick<ChatView, 'id' | 'kind' | 'title' | 'partnerId'>;

export function dialogId(chat: Shown): string {
  return chat.kind === 'private' ? String(chat.partnerId ?? 0) : `chat${chat.id}`;
}

export function titleOf(chat: Shown, directory: Directory): string {
  const partner = chat.partnerId === null ? undefined : directory.employee(chat.partnerId);
  return partner ? fullName(partner) : chat.title;
}

export function userOf(directory: Directory, employee: Employee, now: Date): Record<string, unknown> {
  return {
    id: employee.id, active: employee.dismissedAt === null, name: fullName(employee), first_name: employee.firstName, last_name: employee.lastName,
    work_position: employee.position, color: '', avatar: '', gender: '', birthday: '', extranet: false, network: false, bot: false, connector: false,
    external_auth_id: 'default', status: 'online', idle: false, last_activity_date: false, mobile_last_date: false, absent: directory.isAbsent(employee.id, now),
    departments: directory.departmentsOf(employee.id).map((department) => department.id),
    phones: employee.workPhone || employee.mobilePhone ? { work_phone: employee.workPhone ?? '', personal_mobile: employee.mobilePhone ?? '' } : false,
  };
}

export function usersOf(directory: Directory, ids: Iterable<number>, now: Date): Record<string, unknown>[] {
  return [...new Set(ids)].flatMap((id) => {
    const employee = directory.employee(id);
    return employee ? [userOf(directory, employee, now)] : [];
  });
}

export function chatOf(chat: ChatView | ListedChat, directory: Directory): Record<string, unknown> {
  return {
    id: chat.id, parent_chat_id: 0, parent_message_id: 0, name: titleOf(chat, directory), description: '', owner: chat.ownerId ?? 0, extranet: false, avatar: '', color: '',
    type: chat.kind === 'private' ? 'private' : chat.kind === 'open' ? 'open' : 'chat', message_type: chat.kind === 'private' ? 'P' : chat.kind === 'open' ? 'O' : 'C',
    entity_type: '', entity_id: '', entity_data_1: '', entity_data_2: '', entity_data_3: '', mute_list: [], role: chat.membership?.role ?? 'guest',
    date_create: printMoment(chat.createdAt, directory.company.timeZone), dialog_id: dialogId(chat),
  };
}

/** "Anna added Boris", in the reader's language. */
export function systemText({ language }: Pick<Actor, 'language'>, directory: Directory, system: SystemMessage | null): string {
  if (!system) return '';
  const name = (id: number) => {
    const employee = directory.employee(id);
    return employee ? fullName(employee) : String(id);
  };
  return text(language, `chat.system.${system.code}`, {
    actorId: system.actorId ?? 'none', actor: system.actorId === null ? '' : name(system.actorId), names: system.employeeIds.map(name).join(', '), title: system.title ?? '',
  });
}

/** A heading is the first line, in bold, as a Bitrix24 user would write it. */
export function bodyOf({ heading, body }: { heading: string; body: string }): string {
  return heading === '' ? body : `[B]${heading}[/B]\n${body}`;
}
