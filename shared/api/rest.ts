/** Managing the Bitrix24-compatible gateway: incoming webhooks and local applications. The gateway itself is in docs/rest.md. */
import { z } from 'zod';

const id = z.int().positive();
const name = z.string().trim().min(1).max(255);
/** Empty: every scope. */
const scopeList = z.array(z.string().max(50)).max(50);

export const idParams = z.object({ id: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER) });

export const webhook = z.object({
  id, employeeId: id, name: z.string(), scopes: z.array(z.string()), createdAt: z.date(), lastUsedAt: z.date().nullable(), revokedAt: z.date().nullable(),
});
export const webhooks = z.object({ items: z.array(webhook) });
export const newWebhook = z.strictObject({
  name,
  /** Whom its calls act as; oneself when absent. Somebody else: administrators. */
  employeeId: id.optional(),
  scopes: scopeList.optional(),
});
/** `url` holds the secret and is never shown again. */
export const createdWebhook = webhook.extend({ url: z.string() });

export const scopes = z.object({ items: z.array(z.string()) });

export const app = z.object({ id, clientId: z.string(), name: z.string(), scopes: z.array(z.string()), createdBy: id.nullable(), createdAt: z.date() });
export const apps = z.object({ items: z.array(app) });

/** How long an access token lives; ten years when absent, for clients that cannot renew it here. */
const tokenSeconds = z.int().min(1).max(10 * 366 * 86_400).optional();
export const newToken = z.strictObject({ employeeId: id.optional(), tokenSeconds });
export const newApp = newToken.extend({ name, scopes: scopeList.optional() });

const token = { accessToken: z.string(), refreshToken: z.string(), expiresAt: z.date(), endpoint: z.string(), employeeId: id };
export const issuedToken = z.object(token);
/** `applicationToken`: by what the application knows our calls. */
export const createdApp = app.extend({ clientSecret: z.string(), applicationToken: z.string(), ...token });
