/**
 * Drive over HTTP. File bytes travel as raw request and response bodies (no multipart): they stream
 * from the socket to the disk, and the name is in the query.
 */
import { z } from 'zod';

export const driveId = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);
/** Checked further by the Drive: no path separators, no control characters. */
const name = z.string().max(1000);

export const driveFolder = z.object({
  id: z.int(),
  /** null: the root of its storage. */
  parentId: z.int().nullable(),
  storage: z.enum(['company', 'employee']),
  name: z.string(),
  createdBy: z.int().nullable(),
  createdAt: z.date(),
  trashedAt: z.date().nullable(),
});

export const driveFile = z.object({
  id: z.int(),
  /** null: an attachment, in no folder. */
  folderId: z.int().nullable(),
  name: z.string(),
  version: z.int(),
  sizeBytes: z.int(),
  mediaType: z.string(),
  createdBy: z.int().nullable(),
  createdAt: z.date(),
  updatedAt: z.date(),
  trashedAt: z.date().nullable(),
});

export const driveEntry = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('folder'), folder: driveFolder }),
  z.object({ kind: z.literal('file'), file: driveFile }),
]);

export const drivePage = z.object({ items: z.array(driveEntry), nextCursor: z.string().nullable() });
export const drivePaging = z.object({
  cursor: z.string().max(2000).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const driveStorages = z.object({
  company: driveFolder, own: driveFolder,
  /** What a file may weigh at most. */
  maxFileBytes: z.int(),
});
/** Ids with commas between them. */
export const driveFilesQuery = z.object({ ids: z.string().regex(/^\d{1,15}(,\d{1,15}){0,199}$/) });
export const driveFolderWithPath = z.object({
  folder: driveFolder,
  /** From the root of the storage down to the folder itself. */
  path: z.array(z.object({ id: z.int(), name: z.string() })),
  mayChange: z.boolean(),
});

export const createDriveFolder = z.strictObject({ parentId: z.int().positive(), name });
export const changeDriveFolder = z.strictObject({ name: name.optional(), parentId: z.int().positive().optional() });
export const changeDriveFile = z.strictObject({ name: name.optional(), folderId: z.int().positive().optional() });
export const restoreFromTrash = z.strictObject({
  /** Another name, when the old one has been taken meanwhile. */
  name: name.optional(),
});
export const deleteFromDrive = z.object({
  /** Not to the trash but for good. Only what is in the trash already. */
  permanently: z.stringbool().default(false),
});

export const uploadQuery = z.object({
  name,
  /** What to do when the folder has a file of this name. */
  onConflict: z.enum(['refuse', 'rename', 'version']).default('refuse'),
});
export const uploadAttachmentQuery = z.object({ name });
export const downloadQuery = z.object({
  version: z.coerce.number().int().positive().max(2 ** 31 - 1).optional(),
  /** Show in the browser instead of saving. Followed only for pictures, sound, video, PDF and plain text. */
  inline: z.stringbool().default(false),
});

export const driveVersionParams = z.object({ id: driveId, version: z.coerce.number().int().positive().max(2 ** 31 - 1) });
export const driveFileVersion = z.object({
  version: z.int(),
  sizeBytes: z.int(),
  mediaType: z.string(),
  createdBy: z.int().nullable(),
  createdAt: z.date(),
});

// Uploads in pieces, for files that are large or lines that break

export const newDriveUpload = z.strictObject({
  /** null: an attachment. */
  folderId: z.int().positive().nullable(),
  name,
  sizeBytes: z.int().min(0),
  onConflict: z.enum(['refuse', 'rename', 'version']).default('refuse'),
});
export const driveUpload = z.object({
  id: z.int(),
  folderId: z.int().nullable(),
  name: z.string(),
  sizeBytes: z.int(),
  /** Where the next piece begins. */
  receivedBytes: z.int(),
  /** What a piece may weigh at most. */
  pieceBytes: z.int(),
  createdAt: z.date(),
  updatedAt: z.date(),
});
export const driveUploads = z.object({ items: z.array(driveUpload) });
export const driveUploadPiece = z.object({ offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER) });
