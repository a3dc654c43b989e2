/** The types of fields, in the order in which they are offered. */
import type { FieldType } from '../../crm-config.ts';

export const fieldKinds: readonly { type: FieldType; icon: string }[] = [
  { type: 'string', icon: 'i-lucide-type' },
  { type: 'text', icon: 'i-lucide-align-left' },
  { type: 'number', icon: 'i-lucide-hash' },
  { type: 'money', icon: 'i-lucide-banknote' },
  { type: 'boolean', icon: 'i-lucide-toggle-right' },
  { type: 'date', icon: 'i-lucide-calendar' },
  { type: 'datetime', icon: 'i-lucide-calendar-clock' },
  { type: 'list', icon: 'i-lucide-list' },
  { type: 'employee', icon: 'i-lucide-user' },
  { type: 'file', icon: 'i-lucide-paperclip' },
  { type: 'url', icon: 'i-lucide-link' },
  { type: 'address', icon: 'i-lucide-map-pin' },
  { type: 'phone', icon: 'i-lucide-phone' },
  { type: 'email', icon: 'i-lucide-mail' },
  { type: 'item', icon: 'i-lucide-square-kanban' },
  { type: 'contact', icon: 'i-lucide-contact' },
  { type: 'company', icon: 'i-lucide-building-2' },
];

export function iconOf(type: FieldType): string {
  return fieldKinds.find((one) => one.type === type)?.icon ?? 'i-lucide-type';
}
