/**
 * Export of a list as CSV: the columns asked for, the rows in the order of the list, read page by page while
 * they are sent. Values are printed as people read them; what the reader may not see is not in it.
 */
import { DateTime } from 'luxon';
import { UserError } from '../../shared/errors.ts';
import { text } from '../../shared/messages.ts';
import type { Queryable } from '../db/db.ts';
import { type Actor, type Directory, fullName, type People } from '../people/people.ts';
import { type Clients, contactName } from './clients.ts';
import { csvLine, csvStart } from './csv.ts';
import type { ItemRow } from './items.ts';
import type { ItemListRequest, List } from './list.ts';
import type { CrmModel } from './model.ts';
import { type FieldShape, fieldShape, isEmpty, systemFields } from './values.ts';

interface ExportsDeps {
  people: People;
  list: List;
  clients: Clients;
  model: (q: Queryable, version?: number) => Promise<CrmModel>;
}

const readOnly: readonly FieldShape[] = (['id', 'pipelineId', 'creatorId', 'createdAt', 'updatedAt', 'movedAt'] as const).map((code) => ({
  code, name: code === 'id' ? '№' : `@fields.${code}`, isMultiple: false, isSystem: true, settings: {},
  type: code === 'creatorId' ? 'employee' : code.endsWith('At') ? 'datetime' : 'number',
}));

/** Names that a page of rows needs. */
interface Names {
  model: CrmModel;
  directory: Directory;
  contacts: ReadonlyMap<number, string>;
  companies: ReadonlyMap<number, string>;
}

function valueOf(row: ItemRow, shape: FieldShape): unknown {
  return shape.isSystem ? Object.entries(row).find(([key]) => key === shape.code)?.[1] : row.values[shape.code];
}

function print(value: unknown, shape: FieldShape, actor: Actor, names: Names): string {
  if (isEmpty(value)) return '';
  if (Array.isArray(value)) return value.map((one) => print(one, shape, actor, names)).join(', ');
  if (shape.code === 'pipelineId') return names.model.pipeline(Number(value))?.name ?? '';
  switch (shape.type) {
    case 'stage': return names.model.stage(Number(value))?.name ?? '';
    case 'boolean': return text(actor.language, value === true ? 'export.yes' : 'export.no');
    case 'number':
    case 'money': return actor.language === 'ru' ? String(value).replace('.', ',') : String(value);
    case 'date': return DateTime.fromISO(String(value)).toFormat(actor.language === 'ru' ? 'dd.MM.yyyy' : 'yyyy-MM-dd');
    case 'datetime': {
      const moment = value instanceof Date ? DateTime.fromJSDate(value) : DateTime.fromISO(String(value));
      return moment.setZone(actor.timeZone).toFormat(actor.language === 'ru' ? 'dd.MM.yyyy HH:mm:ss' : 'yyyy-MM-dd HH:mm:ss');
    }
    case 'employee': {
      const employee = names.directory.employee(Number(value));
      return employee ? fullName(employee) : '';
    }
    case 'list': return shape.settings.options?.find((option) => option.id === value)?.name ?? '';
    case 'contact': return names.contacts.get(Number(value)) ?? '';
    case 'company': return names.companies.get(Number(value)) ?? '';
    default: return String(value);
  }
}

export function createExports({ people, list, clients, model: loadModel }: ExportsDeps) {
  async function namesFor(q: Queryable, rows: readonly ItemRow[], shapes: readonly FieldShape[]): Promise<Names> {
    const ids = (type: 'contact' | 'company') => [...new Set(rows.flatMap((row) =>
      shapes.filter((shape) => shape.type === type).flatMap((shape) => [valueOf(row, shape)].flat()).filter((id) => typeof id === 'number')))];
    const [model, directory, contacts, companies] = await Promise.all([
      loadModel(q), people.directory(q), clients.contactsByIds(q, ids('contact')), clients.companiesByIds(q, ids('company')),
    ]);
    return {
      model, directory, contacts: new Map(contacts.map((contact) => [contact.id, contactName(contact)])), companies: new Map(companies.map((company) => [company.id, company.title])),
    };
  }

  function shapesOf(model: CrmModel, itemTypeId: number, columns: readonly string[] | undefined): FieldShape[] {
    const known = (code: string): FieldShape | undefined => readOnly.find((shape) => shape.code === code) ?? fieldShape(model, itemTypeId, code);
    const type = model.itemType(itemTypeId);
    const all = [
      'id', ...systemFields.map((field) => field.code).filter((code) => code !== 'parentId' && (type?.hasClient !== false || !/^co(ntact|mpany)Id$/.test(code))), 'createdAt',
      ...model.fieldsOf(itemTypeId).map((field) => field.code),
    ];
    return (columns ?? all).map((code) => {
      const shape = known(code);
      if (!shape) throw new UserError('list.field_unknown', { field: code.slice(0, 100) }, 'columns');
      return shape;
    });
  }

  return {
    /** The whole list in pieces of text; throws before the first of them when something is wrong with the request. */
    async exportItems(q: Queryable, actor: Actor, request: ItemListRequest, columns?: readonly string[]): Promise<{ name: string; pieces: AsyncGenerator<string> }> {
      const model = await loadModel(q);
      const shapes = shapesOf(model, request.itemTypeId, columns);
      // Excel takes the delimiter of its own language.
      const delimiter = actor.language === 'ru' ? ';' : ',';
      const heading = shapes.map((shape) => (shape.name.startsWith('@') ? text(actor.language, shape.name.slice(1)) : shape.name));
      let page = await list.listItems(q, actor, { ...request, limit: 200 });
      async function* pieces(): AsyncGenerator<string> {
        yield csvStart + csvLine(heading, delimiter);
        for (;;) {
          const names = await namesFor(q, page.items, shapes);
          yield page.items.map((row) => csvLine(shapes.map((shape) => print(valueOf(row, shape), shape, actor, names)), delimiter)).join('');
          if (page.nextCursor === null) return;
          page = await list.listItems(q, actor, { ...request, limit: 200, cursor: page.nextCursor });
        }
      }
      return { name: model.itemType(request.itemTypeId)?.name ?? 'items', pieces: pieces() };
    },
  };
}

export type Exports = ReturnType<typeof createExports>;
