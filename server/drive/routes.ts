/** Drive over HTTP. Uploads are raw bodies that stream to the disk; nothing is held in memory. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { Readable } from 'node:stream';
import { z } from 'zod';
import * as api from '../../shared/api/drive.ts';
import { UserError } from '../../shared/errors.ts';
import { downloadOf } from './download.ts';
import type { Drive } from './drive.ts';

const params = z.object({ id: api.driveId });
const tags = ['Drive'];

export function driveRoutes({ drive }: { drive: Drive }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/drive/storages', {
      schema: { tags, summary: 'The root folders one sees', response: { 200: api.driveStorages } },
    }, async (request) => ({ ...(await drive.storages(request.actor)), maxFileBytes: drive.maxFileBytes }));

    app.post('/api/drive/folders', {
      schema: { tags, summary: 'Create a folder', body: api.createDriveFolder, response: { 201: api.driveFolder } },
    }, async (request, reply) => reply.code(201).send(await drive.createFolder(request.actor, request.body)));

    app.get('/api/drive/folders/:id', {
      schema: { tags, summary: 'A folder and the path to it', params, response: { 200: api.driveFolderWithPath } },
    }, (request) => drive.folder(request.actor, request.params.id));

    app.get('/api/drive/folders/:id/entries', {
      schema: { tags, summary: 'What lies in a folder: folders first, then files, by name', params, querystring: api.drivePaging, response: { 200: api.drivePage } },
    }, (request) => drive.entries(request.actor, request.params.id, request.query));

    app.patch('/api/drive/folders/:id', {
      schema: { tags, summary: 'Rename or move a folder', params, body: api.changeDriveFolder, response: { 200: api.driveFolder } },
    }, (request) => drive.changeFolder(request.actor, request.params.id, request.body));

    app.delete('/api/drive/folders/:id', {
      schema: { tags, summary: 'Move a folder to the trash, or delete it from there', params, querystring: api.deleteFromDrive, response: { 204: z.null() } },
    }, async (request, reply) => {
      if (request.query.permanently) await drive.deleteFolder(request.actor, request.params.id);
      else await drive.trashFolder(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.post('/api/drive/folders/:id/restore', {
      schema: { tags, summary: 'Take a folder out of the trash', params, body: api.restoreFromTrash, response: { 200: api.driveFolder } },
    }, (request) => drive.restoreFolder(request.actor, request.params.id, request.body.name));

    app.get('/api/drive/trash', {
      schema: { tags, summary: 'What one may take out of the trash', querystring: api.drivePaging, response: { 200: api.drivePage } },
    }, (request) => drive.trash(request.actor, request.query));

    app.get('/api/drive/files', {
      schema: {
        tags, summary: 'Several files, without their bytes; what is gone or may not be read is left out', querystring: api.driveFilesQuery,
        response: { 200: z.object({ items: z.array(api.driveFile) }) },
      },
    }, async (request) => ({ items: await drive.readableFiles(request.actor, request.query.ids.split(',').map(Number)) }));

    app.get('/api/drive/files/:id', {
      schema: { tags, summary: 'A file, without its bytes', params, response: { 200: api.driveFile } },
    }, (request) => drive.file(request.actor, request.params.id));

    app.patch('/api/drive/files/:id', {
      schema: { tags, summary: 'Rename or move a file', params, body: api.changeDriveFile, response: { 200: api.driveFile } },
    }, (request) => drive.changeFile(request.actor, request.params.id, request.body));

    app.delete('/api/drive/files/:id', {
      schema: { tags, summary: 'Move a file to the trash, or delete it from there', params, querystring: api.deleteFromDrive, response: { 204: z.null() } },
    }, async (request, reply) => {
      if (request.query.permanently) await drive.deleteFile(request.actor, request.params.id);
      else await drive.trashFile(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    app.post('/api/drive/files/:id/restore', {
      schema: { tags, summary: 'Take a file out of the trash', params, body: api.restoreFromTrash, response: { 200: api.driveFile } },
    }, (request) => drive.restoreFile(request.actor, request.params.id, request.body.name));

    app.get('/api/drive/files/:id/versions', {
      schema: { tags, summary: 'The versions of a file, newest first', params, response: { 200: z.array(api.driveFileVersion) } },
    }, (request) => drive.versions(request.actor, request.params.id));

    app.post('/api/drive/files/:id/versions/:version/restore', {
      schema: { tags, summary: 'Make an old version the newest again', params: api.driveVersionParams, response: { 200: api.driveFile } },
    }, (request) => drive.restoreVersion(request.actor, request.params.id, request.params.version));

    app.get('/api/drive/files/:id/content', {
      schema: { tags, summary: 'The bytes of a file; Range and If-None-Match are understood', params, querystring: api.downloadQuery },
    }, async (request, reply) => {
      const { file, sha256, stream } = await drive.readFor(request.actor, request.params.id, request.query.version);
      const { status, headers, body } = downloadOf({ ...file, sha256 }, stream, { method: request.method, headers: request.headers, inline: request.query.inline });
      reply.headers(headers);
      if (status === 416) throw new UserError('drive.range_invalid', { name: file.name });
      return reply.code(status).send(body);
    });

    app.post('/api/drive/uploads', {
      schema: { tags, summary: 'Begin an upload in pieces', body: api.newDriveUpload, response: { 201: api.driveUpload } },
    }, async (request, reply) => reply.code(201).send(await drive.uploads.begin(request.actor, request.body)));

    app.get('/api/drive/uploads', {
      schema: { tags, summary: 'My uploads that are not finished', response: { 200: api.driveUploads } },
    }, async (request) => ({ items: await drive.uploads.list(request.actor) }));

    app.get('/api/drive/uploads/:id', {
      schema: { tags, summary: 'How far an upload got', params, response: { 200: api.driveUpload } },
    }, (request) => drive.uploads.get(request.actor, request.params.id));

    app.post('/api/drive/uploads/:id/finish', {
      schema: { tags, summary: 'Make the pieces a file', params, response: { 201: api.driveFile } },
    }, async (request, reply) => reply.code(201).send(await drive.uploads.finish(request.actor, request.params.id)));

    app.delete('/api/drive/uploads/:id', {
      schema: { tags, summary: 'Give an upload up', params, response: { 204: z.null() } },
    }, async (request, reply) => {
      await drive.uploads.giveUp(request.actor, request.params.id);
      return reply.code(204).send(null);
    });

    await app.register(uploadRoutes({ drive }));
  };
}

/** Apart, because here every content type is taken as bytes and none is parsed. */
function uploadRoutes({ drive }: { drive: Drive }): FastifyPluginAsyncZod {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    // After a refusal the rest of the body is read and thrown away: unread, it would block the
    // connection for the client's next request.
    app.addHook('onError', async (request) => {
      request.raw.resume();
    });
    const consumes = ['application/octet-stream'];

    app.post('/api/drive/folders/:id/files', {
      schema: { tags, summary: 'Upload a file: the body is its bytes', consumes, params, querystring: api.uploadQuery, response: { 201: api.driveFile } },
    }, async (request, reply) => {
      const { name, onConflict } = request.query;
      const file = await drive.upload(request.actor, { folderId: request.params.id, name, onConflict, ...uploadOf(request) });
      return reply.code(201).send(file);
    });

    app.post('/api/drive/attachments', {
      schema: { tags, summary: 'Upload a file to attach to something: the body is its bytes', consumes, querystring: api.uploadAttachmentQuery, response: { 201: api.driveFile } },
    }, async (request, reply) => reply.code(201).send(await drive.uploadAttachment(request.actor, { name: request.query.name, ...uploadOf(request) })));

    app.put('/api/drive/uploads/:id', {
      schema: { tags, summary: 'The next piece of an upload: the body is its bytes', consumes, params, querystring: api.driveUploadPiece, response: { 200: api.driveUpload } },
    }, (request) => drive.uploads.append(request.actor, request.params.id, { offset: request.query.offset, source: uploadOf(request).source }));

    app.put('/api/drive/files/:id/content', {
      schema: { tags, summary: 'Upload a new version: the body is its bytes', consumes, params, response: { 200: api.driveFile } },
    }, (request) => drive.uploadVersion(request.actor, request.params.id, uploadOf(request)));
  };
}

function uploadOf(request: { body?: unknown; headers: { 'content-length'?: string } }): { source: Readable; declaredBytes?: number } {
  const length = request.headers['content-length'];
  return {
    // An empty body is an empty file.
    source: request.body instanceof Readable ? request.body : Readable.from([]),
    declaredBytes: length === undefined ? undefined : Number(length),
  };
}
