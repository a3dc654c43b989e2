/** CRM over HTTP: parse, call, return. */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod, ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as api from '../../shared/api/crm.ts';
import * as work from '../../shared/api/crm-work.ts';
import { UserError } from '../../shared/errors.ts';
import { errorMessage } from '../../shared/messages.ts';
import type { Db, Tx } from '../db/db.ts';
import { originOf } from './cards.ts';
import { contactName, type Crm } from './crm.ts';
import { maxImportBytes } from './imports.ts';
import { invoicePageHeaders, renderInvoice, renderNoInvoice } from './invoice-page.ts';
import { type Invoice, publicPath } from './invoices.ts';
import { mentionedIds } from './timeline.ts';

const nothing = z.null().describe('No content');

/** Filters that came as JSON in a query string. */
function parseFilters(text: string | undefined): api.ItemFilter[] {
  if (text === undefined || text === '') return [];
  // Inside a query string the edge does not look, and PostgreSQL cannot store it.
  if (text.includes('\\u0000')) throw new UserError('list.filters_invalid', {}, 'filters');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError('list.filters_invalid', {}, 'filters');
  }
  const parsed = api.itemFilters.safeParse(value);
  if (!parsed.success) throw new UserError('list.filters_invalid', {}, ['filters', ...(parsed.error.issues[0]?.path ?? [])].join('.'));
  return parsed.data;
}

/** `5,7`. */
function idsIn(text: string | undefined): number[] {
  return text === undefined ? [] : text.split(',').map(Number);
}

/** Text that is sent while it is made, to be saved as a file. */
function sendCsv(reply: FastifyReply, name: string, pieces: AsyncIterable<string>) {
  const ascii = name.replaceAll(/[^\w .-]/g, '_');
  reply.header('content-disposition', `attachment; filename="${ascii}.csv"; filename*=UTF-8''${encodeURIComponent(name)}.csv`).type('text/csv; charset=utf-8');
  return reply.send(Readable.from(pieces));
}

/** System fields and own ones arrive apart and are written together. */
function fieldsOf(body: { values?: Record<string, unknown> } & Record<string, unknown>, without: readonly string[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(body)) if (value !== undefined && key !== 'values' && !without.includes(key)) fields[key] = value;
  return { ...fields, ...body.values };
}

export function crmRoutes({ crm, db }: { crm: Crm; db: Db }): FastifyPluginAsyncZod {
  const write = <Result>(work: (tx: Tx) => Promise<Result>) => db.transaction(work);
  const asInvoice = (invoice: Invoice) => ({ ...invoice, publicPath: publicPath(invoice) });

  async function pipelineOf(id: number) {
    const pipeline = (await crm.model(db)).pipeline(id);
    if (!pipeline) throw new UserError('request.not_found', { kind: 'pipeline', id });
    return { ...pipeline, stages: [...pipeline.stages] };
  }
  async function fieldOf(id: number) {
    const model = await crm.model(db);
    const all = [...model.itemTypes.flatMap((type) => model.fieldsOf(type.id)), ...model.clientFields('contact'), ...model.clientFields('company')];
    const field = all.find((candidate) => candidate.id === id);
    if (!field) throw new UserError('request.not_found', { kind: 'field', id });
    return field;
  }
  async function itemTypeOf(id: number) {
    const type = (await crm.model(db)).itemType(id);
    if (!type) throw new UserError('request.not_found', { kind: 'itemType', id });
    return type;
  }

  return async (app) => {
    // -- Configuration --------------------------------------------------------------------------

    const config = ['CRM configuration'];

    app.get('/api/crm-config', { schema: { tags: config, summary: 'Item types, pipelines, stages and own fields, all at once', response: { 200: api.crmConfig } } }, async () => {
      const model = await crm.model(db);
      return {
        version: model.version,
        itemTypes: [...model.itemTypes],
        pipelines: model.pipelines.map((pipeline) => ({ ...pipeline, stages: [...pipeline.stages] })),
        fields: [...model.itemTypes.flatMap((type) => model.fieldsOf(type.id)), ...model.clientFields('contact'), ...model.clientFields('company')],
      };
    });

    app.post('/api/item-types', {
      schema: { tags: config, summary: 'Create an item type, with a pipeline and the rights roles have on deals', body: api.newItemType, response: { 201: api.itemType } },
    }, async (request, reply) => {
      const id = await write((tx) => crm.createItemType(tx, request.actor, request.body));
      await crm.grantLikeDeals(id);
      return reply.code(201).send(await itemTypeOf(id));
    });
    app.patch('/api/item-types/:id', {
      schema: { tags: config, summary: 'Change an item type', params: api.idParams, body: api.itemTypeChange, response: { 200: api.itemType } },
    }, async (request) => {
      await write((tx) => crm.changeItemType(tx, request.actor, request.params.id, request.body));
      return itemTypeOf(request.params.id);
    });
    app.delete('/api/item-types/:id', {
      schema: { tags: config, summary: 'Delete an own item type that holds no items', params: api.idParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await write((tx) => crm.deleteItemType(tx, request.actor, request.params.id));
      return reply.code(204).send(null);
    });

    app.post('/api/pipelines', {
      schema: { tags: config, summary: 'Create a pipeline with default stages', body: api.newPipeline, response: { 201: api.pipeline } },
    }, async (request, reply) => reply.code(201).send(await pipelineOf(await write((tx) => crm.createPipeline(tx, request.actor, request.body)))));
    app.patch('/api/pipelines/:id', {
      schema: { tags: config, summary: 'Rename a pipeline, move it, or make it the default', params: api.idParams, body: api.pipelineChange, response: { 200: api.pipeline } },
    }, async (request) => {
      await write((tx) => crm.changePipeline(tx, request.actor, request.params.id, request.body));
      return pipelineOf(request.params.id);
    });
    app.delete('/api/pipelines/:id', {
      schema: { tags: config, summary: 'Delete a pipeline that holds no items and is not the default', params: api.idParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await write((tx) => crm.deletePipeline(tx, request.actor, request.params.id));
      return reply.code(204).send(null);
    });

    app.post('/api/pipelines/:id/stages', {
      schema: { tags: config, summary: 'Add a stage', params: api.idParams, body: api.newStage, response: { 201: api.pipeline } },
    }, async (request, reply) => {
      await write((tx) => crm.createStage(tx, request.actor, request.params.id, request.body));
      return reply.code(201).send(await pipelineOf(request.params.id));
    });
    app.put('/api/pipelines/:id/stage-order', {
      schema: { tags: config, summary: 'Put all stages of a pipeline in order', params: api.idParams, body: api.stageOrder, response: { 200: api.pipeline } },
    }, async (request) => {
      await write((tx) => crm.orderStages(tx, request.actor, request.params.id, request.body.stageIds));
      return pipelineOf(request.params.id);
    });
    app.patch('/api/stages/:id', {
      schema: { tags: config, summary: 'Change name, colour or meaning of a stage', params: api.idParams, body: api.stageChange, response: { 200: api.stage } },
    }, async (request) => {
      await write((tx) => crm.changeStage(tx, request.actor, request.params.id, request.body));
      const stage = (await crm.model(db)).stage(request.params.id);
      if (!stage) throw new UserError('request.not_found', { kind: 'stage', id: request.params.id });
      return stage;
    });
    app.delete('/api/stages/:id', {
      schema: {
        tags: config, summary: 'Delete a stage; its items move to another one', params: api.idParams, querystring: api.stageRemoval,
        response: { 200: z.object({ moved: z.int() }) },
      },
    }, (request) => write((tx) => crm.deleteStage(tx, request.actor, request.params.id, request.query.moveToStageId)));

    app.get('/api/fields', {
      schema: { tags: config, summary: 'Own fields of an item type, of contacts or of companies', querystring: api.fieldQuery, response: { 200: z.object({ items: z.array(api.field) }) } },
    }, async (request) => {
      const model = await crm.model(db);
      const { entity, itemTypeId = 0 } = request.query;
      return { items: [...(entity === 'item' ? model.fieldsOf(itemTypeId) : model.clientFields(entity))] };
    });
    app.post('/api/fields', {
      schema: { tags: config, summary: 'Create an own field', body: api.newField, response: { 201: api.field } },
    }, async (request, reply) => reply.code(201).send(await fieldOf(await write((tx) => crm.createField(tx, request.actor, request.body)))));
    app.patch('/api/fields/:id', {
      schema: { tags: config, summary: 'Change an own field; its type stays', params: api.idParams, body: api.fieldChange, response: { 200: api.field } },
    }, async (request) => {
      await write((tx) => crm.changeField(tx, request.actor, request.params.id, request.body));
      return fieldOf(request.params.id);
    });
    app.delete('/api/fields/:id', {
      schema: { tags: config, summary: 'Hide an own field; its data stays', params: api.idParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await write((tx) => crm.deleteField(tx, request.actor, request.params.id));
      return reply.code(204).send(null);
    });

    // -- Items ----------------------------------------------------------------------------------

    const items = ['Items'];

    app.get('/api/items', {
      schema: { tags: items, summary: 'A page of items, filtered and sorted', querystring: api.itemListQuery, response: { 200: api.itemPage } },
    }, (request) => crm.listItems(db, request.actor, { ...request.query, filters: parseFilters(request.query.filters) }));
    app.post('/api/items/search', {
      schema: { tags: items, summary: 'The same as GET /api/items, with the filters in the body', body: api.itemSearch, response: { 200: api.itemPage } },
    }, (request) => crm.listItems(db, request.actor, request.body));
    app.get('/api/pipelines/:id/summary', {
      schema: { tags: items, summary: 'Count and sums of every stage', params: api.idParams, querystring: api.summaryQuery, response: { 200: api.pipelineSummary } },
    }, async (request) => ({
      stages: await crm.summarizePipeline(db, request.actor, request.params.id, { search: request.query.search, filters: parseFilters(request.query.filters) }),
    }));

    app.post('/api/items', {
      schema: { tags: items, summary: 'Create an item', body: api.newItem, response: { 201: api.item } },
    }, async (request, reply) => {
      const { itemTypeId, pipelineId, stageId } = request.body;
      const title = request.body.title?.trim() || (await itemTypeOf(itemTypeId)).name;
      const fields = { ...fieldsOf(request.body, ['itemTypeId', 'pipelineId', 'stageId']), title };
      return reply.code(201).send(await crm.createItem(request.actor, { itemTypeId, pipelineId, stageId, fields }));
    });
    app.get('/api/items/:id', {
      schema: { tags: items, summary: 'An item', params: api.idParams, response: { 200: api.item } },
    }, (request) => crm.visibleItem(db, request.actor, request.params.id));
    app.patch('/api/items/:id', {
      schema: { tags: items, summary: 'Change fields of an item, or move it to a stage', params: api.idParams, body: api.itemChange, response: { 200: api.item } },
    }, (request) => crm.changeItem(request.actor, request.params.id, fieldsOf(request.body, ['version']), request.body.version));
    app.delete('/api/items/:id', {
      schema: { tags: items, summary: 'Delete an item', params: api.idParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await crm.deleteItem(request.actor, request.params.id);
      return reply.code(204).send(null);
    });
    app.post('/api/items/:id/restore', {
      schema: { tags: items, summary: 'Take back the deletion of an item', params: api.idParams, response: { 200: api.item } },
    }, (request) => crm.restoreItem(request.actor, request.params.id));
    app.get('/api/items/:id/rights', {
      schema: { tags: items, summary: 'What I may do with an item', params: api.idParams, response: { 200: api.itemRights } },
    }, (request) => crm.itemRights(db, request.actor, request.params.id));
    app.get('/api/items/:id/children', {
      schema: { tags: items, summary: 'Items that belong to an item, newest first', params: api.idParams, response: { 200: z.object({ items: z.array(api.item) }) } },
    }, async (request) => ({ items: await crm.listChildren(db, request.actor, request.params.id) }));
    app.get('/api/crm-names', {
      schema: { tags: items, summary: 'How items, contacts and companies are called', querystring: api.namesQuery, response: { 200: api.names } },
    }, async (request) => {
      const [items, clients] = await Promise.all([
        crm.visibleItems(db, request.actor, idsIn(request.query.items)),
        crm.clientNames(db, request.actor, { contactIds: idsIn(request.query.contacts), companyIds: idsIn(request.query.companies) }),
      ]);
      return { items: items.map(({ title, ...item }) => ({ ...item, name: title })), ...clients };
    });
    app.post('/api/items/bulk-move', {
      schema: { tags: items, summary: 'Move many items to a stage', body: api.bulkMove, response: { 200: api.bulkMoved } },
    }, async (request) => {
      const { stageId, itemIds = [], filter } = request.body;
      const { moved, refused } = await crm.moveItems(request.actor, stageId, filter ? { filter } : { itemIds });
      return { moved, refused: refused.map(({ itemId, error }) => ({ itemId, code: error.code, message: errorMessage(request.actor.language, error.code, error.params) })) };
    });

    app.post('/api/items/count', {
      schema: { tags: items, summary: 'How many items a list shows, counted up to 100,000', body: work.countItems, response: { 200: work.itemCount } },
    }, (request) => crm.countItems(db, request.actor, request.body));
    app.get('/api/items/export', {
      schema: { tags: items, summary: 'The whole list as CSV', querystring: work.exportQuery, response: { 200: z.unknown() } },
    }, async (request, reply) => {
      const { columns, filters, ...query } = request.query;
      const { name, pieces } = await crm.exportItems(db, request.actor, { ...query, filters: parseFilters(filters) }, columns?.split(',').map((code) => code.trim()).filter((code) => code !== ''));
      return sendCsv(reply, name, pieces);
    });
    app.get('/api/crm-search', {
      schema: { tags: items, summary: 'Items of every type, contacts and companies that hold the words', querystring: work.crmSearchQuery, response: { 200: work.crmSearchResult } },
    }, async (request) => {
      const { search, limit } = request.query;
      const mayClients = await crm.mayViewClients(db, request.actor);
      const nobody = { items: [], nextCursor: null };
      const [found, contacts, companies] = await Promise.all([
        crm.findItems(db, request.actor, search, limit),
        mayClients ? crm.listContacts(db, request.actor, { search, limit }) : nobody,
        mayClients ? crm.listCompanies(db, request.actor, { search, limit }) : nobody,
      ]);
      return {
        items: found,
        contacts: contacts.items.map((one) => ({ id: one.id, name: contactName(one), phone: one.phones[0] ?? null, email: one.emails[0] ?? null })),
        companies: companies.items.map((one) => ({ id: one.id, title: one.title, phone: one.phones[0] ?? null, email: one.emails[0] ?? null })),
      };
    });

    // -- Bulk actions and imports ---------------------------------------------------------------

    const whichOf = ({ itemIds = [], filter }: { itemIds?: number[]; filter?: z.output<typeof work.countItems> }) => (filter ? { filter } : { itemIds });

    app.post('/api/bulk-actions', {
      schema: { tags: items, summary: 'Move, change or delete many items in the background', body: work.newBulkAction, response: { 202: work.bulkAction } },
    }, async (request, reply) => {
      const { action, isSilent, ...which } = request.body;
      return reply.code(202).send(await crm.startBulkAction(request.actor, { action, isSilent, which: whichOf(which) }));
    });
    app.post('/api/bulk-actions/forecast', {
      schema: { tags: items, summary: 'How many people a bulk move would inform, and how many times', body: work.bulkForecastRequest, response: { 200: work.forecast } },
    }, (request) => crm.forecastMove(request.actor, request.body.stageId, whichOf(request.body)));
    app.get('/api/bulk-actions', {
      schema: { tags: items, summary: "One's own bulk actions, newest first", response: { 200: work.bulkActionList } },
    }, async (request) => ({ items: await crm.bulkActions(db, request.actor) }));
    app.get('/api/bulk-actions/:id', {
      schema: { tags: items, summary: 'How far a bulk action is', params: api.idParams, response: { 200: work.bulkAction } },
    }, (request) => crm.bulkAction(db, request.actor, request.params.id));
    app.post('/api/bulk-actions/:id/cancel', {
      schema: { tags: items, summary: 'Leave the rest of a bulk action alone', params: api.idParams, response: { 200: work.bulkAction } },
    }, (request) => crm.cancelBulkAction(request.actor, request.params.id));

    const imports = ['Import'];

    app.get('/api/imports', {
      schema: { tags: imports, summary: "One's own imports, newest first", response: { 200: work.importList } },
    }, async (request) => ({ items: await crm.listImports(db, request.actor) }));
    app.get('/api/imports/:id', {
      schema: { tags: imports, summary: 'An import: its settings, or how far it is', params: api.idParams, response: { 200: work.importView } },
    }, (request) => crm.getImport(db, request.actor, request.params.id));
    app.patch('/api/imports/:id', {
      schema: { tags: imports, summary: 'Say how the file is read and what its columns mean', params: api.idParams, body: work.importChange, response: { 200: work.importView } },
    }, (request) => crm.changeImport(request.actor, request.params.id, request.body));
    app.post('/api/imports/:id/check', {
      schema: { tags: imports, summary: 'Read every row as it would be written, in the background', params: api.idParams, response: { 202: work.importView } },
    }, async (request, reply) => reply.code(202).send(await crm.checkImport(request.actor, request.params.id)));
    app.get('/api/imports/:id/forecast', {
      schema: { tags: imports, summary: 'How many people the import would inform, and how many times', params: api.idParams, response: { 200: work.forecast } },
    }, (request) => crm.forecastImport(request.actor, request.params.id));
    app.post('/api/imports/:id/start', {
      schema: { tags: imports, summary: 'Import the rows that have no problem, in the background', params: api.idParams, body: work.importStart, response: { 202: work.importView } },
    }, async (request, reply) => reply.code(202).send(await crm.startImport(request.actor, request.params.id, request.body.isSilent)));
    app.post('/api/imports/:id/cancel', {
      schema: { tags: imports, summary: 'Stop an import; what was made stays', params: api.idParams, response: { 200: work.importView } },
    }, (request) => crm.cancelImport(request.actor, request.params.id));
    app.get('/api/imports/:id/errors', {
      schema: { tags: imports, summary: 'The rows with a problem, as CSV', params: api.idParams, response: { 200: z.unknown() } },
    }, async (request, reply) => {
      const { name, lines } = await crm.importErrors(db, request.actor, request.params.id);
      return sendCsv(reply, name.replace(/\.\w{1,5}$/, ''), lines);
    });
    await app.register(async (upload) => {
      // Here every content type is bytes, and none is parsed.
      upload.removeAllContentTypeParsers();
      upload.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxImportBytes }, (_request, body, done) => done(null, body));
      upload.withTypeProvider<ZodTypeProvider>().post('/api/imports', {
        schema: { tags: imports, summary: 'Upload a CSV file: the body is its bytes', consumes: ['application/octet-stream'], querystring: work.uploadImportQuery, response: { 201: work.importView } },
      }, async (request, reply) => {
        const { name, itemTypeId, pipelineId } = request.query;
        const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        return reply.code(201).send(await crm.createImport(request.actor, { itemTypeId, pipelineId, fileName: name, bytes }));
      });
    });

    app.get('/api/views', {
      schema: { tags: items, summary: 'Saved views of a list', querystring: api.savedViewQuery, response: { 200: z.object({ items: z.array(api.savedView) }) } },
    }, async (request) => ({ items: await crm.savedViews(db, request.actor, request.query.itemTypeId) }));
    app.post('/api/views', {
      schema: { tags: items, summary: 'Save a view of a list, for oneself or for all', body: api.newSavedView, response: { 201: api.savedView } },
    }, async (request, reply) => reply.code(201).send(await crm.createView(db, request.actor, request.body)));
    app.delete('/api/views/:id', {
      schema: { tags: items, summary: 'Delete a saved view', params: api.idParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await crm.deleteView(db, request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    // -- Timeline -------------------------------------------------------------------------------

    const timeline = ['Timeline'];

    app.get('/api/items/:id/timeline', {
      schema: { tags: timeline, summary: 'What happened to an item, newest first', params: api.idParams, querystring: api.timelineQuery, response: { 200: api.timelinePage } },
    }, (request) => crm.listTimeline(db, request.actor, request.params.id, request.query));
    app.get('/api/items/:id/history', {
      schema: { tags: timeline, summary: 'Every change of a field, with who and why', params: api.idParams, querystring: api.pageQuery, response: { 200: api.historyPage } },
    }, (request) => crm.listHistory(db, request.actor, request.params.id, request.query));
    app.get('/api/items/:id/pinned-comments', {
      schema: { tags: timeline, summary: 'Pinned comments', params: api.idParams, response: { 200: api.pinnedComments } },
    }, async (request) => ({ items: (await crm.pinnedComments(db, request.actor, request.params.id)).map(withMentions) }));
    app.post('/api/items/:id/comments', {
      schema: { tags: timeline, summary: 'Comment on an item', params: api.idParams, body: api.newComment, response: { 201: api.comment } },
    }, async (request, reply) => {
      const { comment } = await write((tx) => crm.addComment(tx, request.actor, request.params.id, request.body));
      return reply.code(201).send(withMentions(comment));
    });
    app.patch('/api/items/:id/comments/:commentId', {
      schema: { tags: timeline, summary: 'Edit or pin a comment', params: api.commentParams, body: api.commentChange, response: { 200: api.comment } },
    }, async (request) => withMentions(await write((tx) => crm.changeComment(tx, request.actor, request.params.id, request.params.commentId, request.body))));
    app.delete('/api/items/:id/comments/:commentId', {
      schema: { tags: timeline, summary: 'Delete a comment', params: api.commentParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await write((tx) => crm.deleteComment(tx, request.actor, request.params.id, request.params.commentId));
      return reply.code(204).send(null);
    });

    // -- Clients --------------------------------------------------------------------------------

    const clients = ['Clients'];

    app.get('/api/contacts', {
      schema: { tags: clients, summary: 'Contacts by name, searched by name, phone or e-mail', querystring: api.clientQuery, response: { 200: api.contactPage } },
    }, (request) => crm.listContacts(db, request.actor, request.query));
    app.post('/api/contacts', {
      schema: { tags: clients, summary: 'Create a contact', body: api.newContact, response: { 201: api.contact } },
    }, async (request, reply) => reply.code(201).send(await write((tx) => crm.createContact(tx, request.actor, request.body))));
    app.get('/api/contacts/:id', {
      schema: { tags: clients, summary: 'A contact', params: api.idParams, response: { 200: api.contact } },
    }, (request) => crm.getContact(db, request.actor, request.params.id));
    app.patch('/api/contacts/:id', {
      schema: { tags: clients, summary: 'Change a contact', params: api.idParams, body: api.contactChange, response: { 200: api.contact } },
    }, (request) => write((tx) => crm.changeContact(tx, request.actor, request.params.id, request.body)));
    app.delete('/api/contacts/:id', {
      schema: { tags: clients, summary: 'Delete a contact', params: api.idParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await write((tx) => crm.deleteContact(tx, request.actor, request.params.id));
      return reply.code(204).send(null);
    });
    app.post('/api/contacts/:id/restore', {
      schema: { tags: clients, summary: 'Take back the deletion of a contact', params: api.idParams, response: { 200: api.contact } },
    }, (request) => write((tx) => crm.restoreContact(tx, request.actor, request.params.id)));
    app.get('/api/contacts/:id/items', {
      schema: { tags: clients, summary: 'Items of a contact, newest first', params: api.idParams, querystring: api.pageQuery, response: { 200: api.itemPage } },
    }, (request) => crm.listClientItems(db, request.actor, { kind: 'contact', id: request.params.id }, request.query));

    app.get('/api/companies', {
      schema: { tags: clients, summary: 'Companies by name, searched by name, phone or e-mail', querystring: api.clientQuery, response: { 200: api.companyPage } },
    }, (request) => crm.listCompanies(db, request.actor, request.query));
    app.post('/api/companies', {
      schema: { tags: clients, summary: 'Create a company', body: api.newCompany, response: { 201: api.company } },
    }, async (request, reply) => reply.code(201).send(await write((tx) => crm.createCompany(tx, request.actor, request.body))));
    app.get('/api/companies/:id', {
      schema: { tags: clients, summary: 'A company', params: api.idParams, response: { 200: api.company } },
    }, (request) => crm.getCompany(db, request.actor, request.params.id));
    app.patch('/api/companies/:id', {
      schema: { tags: clients, summary: 'Change a company', params: api.idParams, body: api.companyChange, response: { 200: api.company } },
    }, (request) => write((tx) => crm.changeCompany(tx, request.actor, request.params.id, request.body)));
    app.delete('/api/companies/:id', {
      schema: { tags: clients, summary: 'Delete a company', params: api.idParams, response: { 204: nothing } },
    }, async (request, reply) => {
      await write((tx) => crm.deleteCompany(tx, request.actor, request.params.id));
      return reply.code(204).send(null);
    });
    app.post('/api/companies/:id/restore', {
      schema: { tags: clients, summary: 'Take back the deletion of a company', params: api.idParams, response: { 200: api.company } },
    }, (request) => write((tx) => crm.restoreCompany(tx, request.actor, request.params.id)));
    app.get('/api/companies/:id/items', {
      schema: { tags: clients, summary: 'Items of a company, newest first', params: api.idParams, querystring: api.pageQuery, response: { 200: api.itemPage } },
    }, (request) => crm.listClientItems(db, request.actor, { kind: 'company', id: request.params.id }, request.query));

    // -- Invoices -------------------------------------------------------------------------------

    const invoices = ['Invoices'];

    app.get('/api/items/:id/invoices', {
      schema: { tags: invoices, summary: 'Invoices of a deal', params: api.idParams, response: { 200: api.invoiceList } },
    }, async (request) => ({ items: (await crm.listInvoices(db, request.actor, request.params.id)).map(asInvoice) }));
    app.post('/api/items/:id/invoices', {
      schema: { tags: invoices, summary: 'Make an invoice for a deal', params: api.idParams, body: api.newInvoice, response: { 201: api.invoice } },
    }, async (request, reply) => {
      const invoice = await write((tx) => crm.createInvoice(tx, request.actor, request.params.id, request.body, originOf(request.actor)));
      return reply.code(201).send(asInvoice(invoice));
    });
    app.get('/api/invoices/:id', {
      schema: { tags: invoices, summary: 'An invoice, by the id of its item', params: api.idParams, response: { 200: api.invoice } },
    }, async (request) => asInvoice(await crm.getInvoice(db, request.actor, request.params.id)));
    app.patch('/api/invoices/:id', {
      schema: { tags: invoices, summary: 'Change lines or due date of an invoice that is not paid', params: api.idParams, body: api.invoiceChange, response: { 200: api.invoice } },
    }, async (request) => asInvoice(await write((tx) => crm.changeInvoice(tx, request.actor, request.params.id, request.body, originOf(request.actor)))));
    app.post('/api/invoices/:id/payment', {
      schema: { tags: invoices, summary: 'Mark an invoice as paid', params: api.idParams, response: { 201: api.invoice } },
    }, async (request, reply) =>
      reply.code(201).send(asInvoice(await write((tx) => crm.markPaid(tx, request.actor, request.params.id, originOf(request.actor))))));

    app.get('/i/:token', {
      config: { public: true },
      schema: { tags: invoices, summary: 'The public page of an invoice (HTML)', params: api.tokenParams, response: { 200: z.string(), 404: z.string() } },
    }, async (request, reply) => {
      const [invoice, language] = await Promise.all([crm.findPublicInvoice(db, request.params.token), crm.companyLanguage(db)]);
      reply.headers(invoicePageHeaders).type('text/html; charset=utf-8');
      if (!invoice) return reply.code(404).send(renderNoInvoice(language));
      return reply.code(200).send(renderInvoice(invoice, language));
    });
  };
}

function withMentions<C extends { body: string }>(comment: C): C & { mentionIds: number[] } {
  return { ...comment, mentionIds: mentionedIds(comment.body) };
}
