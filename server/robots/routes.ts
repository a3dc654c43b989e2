/** Robots over HTTP: parse, call, return. */
import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as journal from '../../shared/api/robot-journal.ts';
import * as api from '../../shared/api/robot-sets.ts';
import { appTrigger, triggerRecord, triggerRunList, triggerRunQuery, triggerType, triggerWebhook } from '../../shared/api/triggers.ts';
import type { Robots } from './robots.ts';

const id = z.coerce.number().int().positive();
const byPipeline = z.object({ pipelineId: id });
const byVersion = z.object({ pipelineId: id, versionId: id });
const byTrigger = z.object({ pipelineId: id, triggerId: id });
const byRun = z.object({ runId: id });
const nothing = z.null().describe('No content');
const tags = ['Robots'];
const runTags = ['Runs of robots'];

const versionHead = z.object({
  id: z.number(), number: z.number(), note: z.string(), publishedAt: z.string(), publishedBy: z.number().nullable(), robotCount: z.number(), triggerCount: z.number(),
});

export function robotsRoutes({ robots }: { robots: Robots }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/robot-types', {
      schema: { tags, summary: 'The catalogue of robot types', description: 'In the reader\'s language: forms, results, examples.', response: { 200: z.array(api.robotTypeDescription) } },
    }, async (request) => (await robots.catalog(request.actor.language)).map((type) => ({
      ...type, form: type.form.map((field) => ({ ...field })), results: [...type.results], examples: [...type.examples],
    })));

    app.get('/api/trigger-types', {
      schema: { tags, summary: 'The catalogue of triggers', description: 'In the reader\'s language.', response: { 200: z.array(triggerType) } },
    }, async (request) => robots.triggerTypes(request.actor.language));

    app.get('/api/app-triggers', {
      schema: { tags, summary: 'Triggers that applications have registered', response: { 200: z.array(appTrigger) } },
    }, () => robots.listAppTriggers());

    app.post('/api/robot-ids', {
      schema: { tags, summary: 'Reserve ids for new robots', body: z.strictObject({ count: z.int().min(1).max(100).default(1) }), response: { 201: z.object({ ids: z.array(z.number()) }) } },
    }, async (request, reply) => {
      const ids = await robots.reserveIds(request.body.count);
      return reply.status(201).send({ ids });
    });

    app.get('/api/pipelines/:pipelineId/robots', {
      schema: { tags, summary: 'Robots of a pipeline: the draft, its problems, what is published', params: byPipeline, response: { 200: api.robotSet } },
    }, (request) => robots.getSet(request.actor, request.params.pipelineId));

    app.put('/api/pipelines/:pipelineId/robots', {
      schema: { tags, summary: 'Save the draft', params: byPipeline, body: api.saveRobots, response: { 200: api.robotSet } },
    }, (request) => robots.saveSet(request.actor, request.params.pipelineId, request.body));

    app.post('/api/pipelines/:pipelineId/robots/check', {
      schema: { tags, summary: 'What is wrong with robots that are being edited, and how they read', params: byPipeline, body: api.checkRobots, response: { 200: api.checkedRobots } },
    }, (request) => robots.checkSet(request.actor, request.params.pipelineId, request.body));

    app.get('/api/pipelines/:pipelineId/robots/chats', {
      schema: {
        tags, summary: 'Closed group chats for the settings of a robot', params: byPipeline, querystring: z.strictObject({ search: z.string().max(255).default('') }),
        response: { 200: api.robotChats },
      },
    }, async (request) => ({ items: await robots.chats(request.actor, request.params.pipelineId, request.query.search) }));

    app.get('/api/pipelines/:pipelineId/robots/compare', {
      schema: { tags, summary: 'What differs between two versions, or the published one and the draft', params: byPipeline, querystring: api.compareQuery, response: { 200: api.comparison } },
    }, (request) => robots.compare(request.actor, request.params.pipelineId, request.query));

    app.get('/api/pipelines/:pipelineId/robots/export', {
      schema: { tags, summary: 'The draft as data', params: byPipeline, response: { 200: api.robotsFile } },
    }, (request) => robots.exportSet(request.actor, request.params.pipelineId));

    app.post('/api/pipelines/:pipelineId/robots/import', {
      schema: { tags, summary: 'Take robots of a file into the draft', params: byPipeline, body: api.importRobots, response: { 200: api.robotSet } },
    }, (request) => robots.importSet(request.actor, request.params.pipelineId, request.body));

    app.post('/api/pipelines/:pipelineId/robots/publish', {
      schema: { tags, summary: 'Publish the draft as a new version', params: byPipeline, body: api.publishRobots, response: { 200: api.robotSet } },
    }, (request) => robots.publishSet(request.actor, request.params.pipelineId, request.body));

    app.get('/api/pipelines/:pipelineId/robots/versions', {
      schema: { tags, summary: 'Published versions, newest first', params: byPipeline, response: { 200: z.array(versionHead) } },
    }, async (request) => (await robots.listVersions(request.actor, request.params.pipelineId)).map((version) => ({
      id: version.id, number: version.number, note: version.note, publishedAt: version.publishedAt.toISOString(), publishedBy: version.publishedBy, robotCount: version.robotCount,
      triggerCount: version.triggerCount,
    })));

    app.get('/api/pipelines/:pipelineId/robots/versions/:versionId', {
      schema: { tags, summary: 'A published version with its robots', params: byVersion, response: { 200: versionHead.extend({ robots: z.array(api.robotRecord), triggers: z.array(triggerRecord) }) } },
    }, async (request) => {
      const version = await robots.getVersion(request.actor, request.params.pipelineId, request.params.versionId);
      return {
        id: version.id, number: version.number, note: version.note, publishedAt: version.publishedAt.toISOString(), publishedBy: version.publishedBy,
        robotCount: version.robots.length, triggerCount: version.triggers.length, robots: version.robots, triggers: version.triggers,
      };
    });

    app.post('/api/pipelines/:pipelineId/robots/versions/:versionId/restore', {
      schema: { tags, summary: 'Make a published version the draft', params: byVersion, body: api.restoreRobots, response: { 200: api.robotSet } },
    }, (request) => robots.restoreVersion(request.actor, request.params.pipelineId, request.params.versionId, request.body.revision));

    app.post('/api/pipelines/:pipelineId/robots/copy', {
      schema: { tags, summary: 'Copy or move robots to a stage of this or another pipeline', description: 'Returns the robots of the target pipeline.', params: byPipeline, body: api.copyRobots, response: { 200: api.robotSet } },
    }, (request) => robots.copyRobots(request.actor, request.params.pipelineId, request.body));

    app.get('/api/pipelines/:pipelineId/robots/picker', {
      schema: {
        tags, summary: 'The tree of the value picker', params: byPipeline, querystring: z.strictObject({ stageId: id, robotId: id.optional() }),
        response: { 200: z.array(api.pickerNode) },
      },
    }, (request) => robots.picker(request.actor, request.params.pipelineId, request.query.stageId, request.query.robotId));

    app.post('/api/pipelines/:pipelineId/robots/rehearse', {
      schema: { tags, summary: 'Show what the robots would do with an item', description: 'The engine\'s own run, rolled back: nothing is written or sent.', params: byPipeline, body: api.rehearseRobots, response: { 200: api.rehearsal } },
    }, (request) => robots.rehearse(request.actor, request.params.pipelineId, request.body));

    app.post('/api/stages/:stageId/run-robots', {
      schema: {
        tags, summary: 'Run the robots of a stage for items that are already there', params: z.object({ stageId: id }),
        body: z.strictObject({ itemIds: z.array(z.int().positive()).min(1).max(1000) }), response: { 202: z.object({ count: z.number() }) },
      },
    }, async (request, reply) => {
      const count = await robots.rerunStage(request.actor, request.params.stageId, request.body.itemIds);
      return reply.status(202).send({ count });
    });

    app.get('/api/pipelines/:pipelineId/triggers/:triggerId/webhook', {
      schema: { tags, summary: 'The address of an incoming webhook', description: 'Put the id of the item in place of {id}. Whoever knows the address can move items.', params: byTrigger, response: { 200: triggerWebhook } },
    }, (request) => robots.triggerWebhook(request.actor, request.params.pipelineId, request.params.triggerId));

    app.post('/api/pipelines/:pipelineId/triggers/:triggerId/webhook', {
      schema: { tags, summary: 'Give an incoming webhook a new address', description: 'The one known so far stops working.', params: byTrigger, response: { 200: triggerWebhook } },
    }, (request) => robots.renewTriggerWebhook(request.actor, request.params.pipelineId, request.params.triggerId));

    await app.register(triggerCallRoutes({ robots }));

    app.get('/api/trigger-runs', {
      schema: { tags: runTags, summary: 'What triggers did and why, newest first', querystring: triggerRunQuery, response: { 200: triggerRunList } },
    }, (request) => robots.listTriggerRuns(request.actor, request.query));

    app.get('/api/runs', {
      schema: { tags: runTags, summary: 'The journal of runs, newest first', querystring: journal.runQuery, response: { 200: api.runList } },
    }, (request) => robots.listRuns(request.actor, request.query));

    app.get('/api/runs/export', {
      schema: { tags: runTags, summary: 'The journal of runs as a CSV file', querystring: journal.runExportQuery },
    }, async (request, reply) => {
      const lines = await robots.exportRuns(request.actor, request.query);
      return reply.type('text/csv; charset=utf-8').header('content-disposition', 'attachment; filename="robots.csv"').send(Readable.from(lines));
    });

    app.get('/api/runs/days', {
      schema: { tags: runTags, summary: 'How many runs ended each day, and how', querystring: journal.runDaysQuery, response: { 200: journal.runDays } },
    }, (request) => robots.runDays(request.actor, request.query));

    app.get('/api/items/:itemId/robots', {
      schema: {
        tags: runTags, summary: 'Every arrival of an item with every robot of its stage', params: z.object({ itemId: id }), querystring: journal.itemRobotsQuery,
        response: { 200: journal.itemRobots },
      },
    }, (request) => robots.robotsOfItem(request.actor, request.params.itemId, request.query));

    app.get('/api/runs/:runId', {
      schema: { tags: runTags, summary: 'A run and why it is as it is', params: byRun, response: { 200: api.runView } },
    }, (request) => robots.getRun(request.actor, request.params.runId));

    app.post('/api/runs/:runId/run-now', {
      schema: { tags: runTags, summary: 'Let a waiting run act at once', params: byRun, response: { 204: nothing } },
    }, async (request, reply) => {
      await robots.runNow(request.actor, request.params.runId);
      return reply.status(204).send(null);
    });

    app.post('/api/runs/:runId/cancel', {
      schema: { tags: runTags, summary: 'Cancel a waiting run', params: byRun, response: { 204: nothing } },
    }, async (request, reply) => {
      await robots.cancelRun(request.actor, request.params.runId);
      return reply.status(204).send(null);
    });

    app.post('/api/runs/:runId/retry', {
      schema: { tags: runTags, summary: 'Let a failed run act once more', params: byRun, response: { 204: nothing } },
    }, async (request, reply) => {
      await robots.retryRun(request.actor, request.params.runId);
      return reply.status(204).send(null);
    });
  };
}

/** Other systems call here with whatever they send; only the address counts. */
function triggerCallRoutes({ robots }: { robots: Robots }): FastifyPluginAsyncZod {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null));
    const options = {
      // Many items from one shop; guessing a secret of 192 bits is of no use.
      config: { public: true, rateLimit: { max: 30_000, timeWindow: '1 minute' } },
      bodyLimit: 64 * 1024,
      schema: {
        tags, summary: 'Tell a trigger that something happened to an item',
        description: 'Answered when it is written down; whether the item is moved is decided after that. The body is not read.',
        params: z.object({ triggerId: id, secret: z.string().max(100) }), querystring: z.object({ item: id }), response: { 202: z.object({ accepted: z.literal(true) }) },
      },
    };
    const call = async ({ triggerId, secret }: { triggerId: number; secret: string }, itemId: number) => {
      await robots.callWebhook(triggerId, secret, itemId);
      return { accepted: true as const };
    };
    app.get('/api/trigger-calls/:triggerId/:secret', options, async (request, reply) => reply.status(202).send(await call(request.params, request.query.item)));
    app.post('/api/trigger-calls/:triggerId/:secret', options, async (request, reply) => reply.status(202).send(await call(request.params, request.query.item)));
  };
}
