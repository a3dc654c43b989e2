/** Fields as pages show them: those every item or client has, and own ones, in one shape. */
import type { Field, FieldType, ItemType } from '../crm-config.ts';
import { t } from '../text.ts';

export interface FieldShape {
  code: string;
  /** As people call it, in the language of the screen. */
  name: string;
  type: FieldType | 'stage';
  isMultiple: boolean;
  isRequired: boolean;
  requiredStageIds: readonly number[];
  /** Every item has it: its value is a property of the item, not in `values`. */
  isSystem: boolean;
  /** Nobody writes it. */
  isReadOnly?: boolean;
  maxLength?: number;
  /** Id of an own field. */
  id?: number;
  settings: Field['settings'];
}

function system(code: string, type: FieldShape['type'], rest: Partial<FieldShape> = {}): FieldShape {
  return { code, name: t(`web.fields.${code}`), type, isMultiple: false, isRequired: false, requiredStageIds: [], isSystem: true, settings: {}, ...rest };
}

export function shapeOf(own: Field): FieldShape {
  return {
    code: own.code, name: own.name, type: own.type, isMultiple: own.isMultiple, isRequired: own.isRequired, requiredStageIds: own.requiredStageIds,
    isSystem: false, id: own.id, settings: own.settings,
  };
}

/** Fields of every item of the type that people write, in the order of the card. */
export function systemFieldsOf(itemType: Pick<ItemType, 'hasAmount' | 'hasClient'>): FieldShape[] {
  return [
    system('title', 'string', { isRequired: true, maxLength: 255 }),
    ...(itemType.hasAmount ? [system('amount', 'money')] : []),
    ...(itemType.hasClient ? [system('contactId', 'contact'), system('companyId', 'company')] : []),
    system('ownerId', 'employee'),
    system('observerIds', 'employee', { isMultiple: true }),
    system('beginsOn', 'date'),
    system('closesOn', 'date'),
    system('parentId', 'item'),
  ];
}

/** What the product writes by itself. */
export function stampFields(): FieldShape[] {
  return [
    system('id', 'number', { isReadOnly: true, settings: { decimals: 0 } }),
    system('stageId', 'stage'),
    system('createdAt', 'datetime', { isReadOnly: true }),
    system('creatorId', 'employee', { isReadOnly: true }),
    system('updatedAt', 'datetime', { isReadOnly: true }),
    system('movedAt', 'datetime', { isReadOnly: true }),
  ];
}

/** Fields of every contact or company. */
export function clientSystemFields(entity: 'contact' | 'company'): FieldShape[] {
  const both = [
    system('phones', 'phone', { isMultiple: true }),
    system('emails', 'email', { isMultiple: true }),
    system('address', 'address'),
    system('ownerId', 'employee'),
  ];
  if (entity === 'company') return [system('title', 'string', { name: t('web.fields.companyTitle'), isRequired: true, maxLength: 255 }), ...both];
  return [
    system('lastName', 'string', { maxLength: 255 }), system('firstName', 'string', { maxLength: 255 }), system('secondName', 'string', { maxLength: 255 }),
    system('position', 'string', { maxLength: 255 }), system('companyId', 'company'), ...both,
  ];
}

/** The value of a field in an item or a client. */
export function valueOf(record: { values: Record<string, unknown> }, field: Pick<FieldShape, 'code' | 'isSystem'>): unknown {
  if (!field.isSystem) return record.values[field.code];
  const found: [string, unknown] | undefined = Object.entries(record).find(([key]) => key === field.code);
  return found?.[1];
}

/** The same change as the API takes it: own fields under `values`. */
export function changeOf(field: Pick<FieldShape, 'code' | 'isSystem'>, value: unknown): Record<string, unknown> {
  return field.isSystem ? { [field.code]: value } : { values: { [field.code]: value } };
}
