/**
 * Addresses of files that work without a sign-in, as scripts of Bitrix24 expect of `DOWNLOAD_URL` and `uploadUrl`: the
 * token in them says what, for whom and until when, and is signed with a key made of VESTNIK_SECRET. Who it is for and
 * what he may is looked up when it is used, so that whoever is dismissed, or may no longer read a file, gets nothing.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Actor } from '../people/people.ts';
import { RestError } from './errors.ts';

/** Long enough for a script to fetch what it has just listed; a link that got into a log is of no use soon. */
const linkMs = 60 * 60 * 1000;
const longestToken = 4000;

const common = { employeeId: z.int().positive(), until: z.int().positive() };
/** `version` null: the newest one at the time of reading. */
const download = z.object({ ...common, fileId: z.int().positive(), version: z.int().positive().nullable() });
/** `name` null: what the sent file is called. */
const upload = z.object({ ...common, folderId: z.int().positive(), name: z.string().nullable(), isRenamed: z.boolean() });
const purposes = { download, upload };

export type DownloadLink = z.output<typeof download>;
export type UploadLink = z.output<typeof upload>;
type Purpose = keyof typeof purposes;

interface LinksDeps {
  secret: string;
  publicUrl: string;
}

export function createFileLinks({ secret, publicUrl }: LinksDeps) {
  const keys: Record<Purpose, Buffer> = { download: keyFor('download'), upload: keyFor('upload') };

  function keyFor(purpose: Purpose): Buffer {
    return createHmac('sha256', secret).update(`rest:file:${purpose}`).digest();
  }
  const macOf = (purpose: Purpose, payload: string) => createHmac('sha256', keys[purpose]).update(payload).digest();

  function pathFor(purpose: Purpose, link: DownloadLink | UploadLink): string {
    const payload = Buffer.from(JSON.stringify(link)).toString('base64url');
    return `/rest/${purpose}.json?token=${payload}.${macOf(purpose, payload).toString('base64url')}`;
  }

  const refused = () => new RestError('ACCESS_DENIED', 'The address of the file is not valid. Ask for a new one.', 403);

  /** The payload is looked at only when its signature is right. */
  function verified(purpose: Purpose, token: string, now: Date): unknown {
    const [payload = '', mac = '', ...rest] = token.length > longestToken ? [] : token.split('.');
    const given = Buffer.from(mac, 'base64url');
    const expected = macOf(purpose, payload);
    if (rest.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected)) throw refused();
    const link: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    if (z.object(common).parse(link).until <= now.getTime()) throw new RestError('expired_token', 'The address of the file has expired. Ask for a new one.', 403);
    return link;
  }

  const downloadPath = (actor: Actor, now: Date, fileId: number, version: number | null = null): string =>
    pathFor('download', { employeeId: actor.employeeId, until: now.getTime() + linkMs, fileId, version });

  return {
    /** From the root of the host, as the old methods of CRM give addresses. */
    downloadPath,
    downloadUrl: (...given: Parameters<typeof downloadPath>): string => publicUrl + downloadPath(...given),
    uploadUrl: (actor: Actor, now: Date, to: Pick<UploadLink, 'folderId' | 'name' | 'isRenamed'>): string =>
      publicUrl + pathFor('upload', { employeeId: actor.employeeId, until: now.getTime() + linkMs, ...to }),

    /** Throws what the caller is told: forged, cut, of another server, or too old. */
    readDownload: (token: string, now: Date): DownloadLink => download.parse(verified('download', token, now)),
    readUpload: (token: string, now: Date): UploadLink => upload.parse(verified('upload', token, now)),
  };
}

export type FileLinks = ReturnType<typeof createFileLinks>;
