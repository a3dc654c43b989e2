/** HTTP contract of how a person wants to be told, and of the browsers that are told when no tab is open (Web Push). */
import { z } from 'zod';

const id = z.int().positive();
const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);

export const quietHours = z.strictObject({
  isOn: z.boolean(),
  /** In the person's time zone. From 22:00 until 08:00 goes over midnight; the same twice is all day. */
  from: timeOfDay,
  until: timeOfDay,
  /** All of Saturday and Sunday too. */
  isWeekendQuiet: z.boolean(),
});
export type QuietHours = z.output<typeof quietHours>;

export const notificationSettings = z.strictObject({
  isSoundOn: z.boolean(),
  /** What has stood on the screen for a moment counts as read; else only what was clicked. */
  isReadOnSight: z.boolean().default(true),
  quiet: quietHours,
  /** What browsers are told of when no tab is open. */
  pushes: z.strictObject({ bell: z.boolean(), chats: z.boolean(), feed: z.boolean() }).default({ bell: true, chats: true, feed: true }),
});
export type NotificationSettings = z.output<typeof notificationSettings>;
export const notificationSettingsAnswer = notificationSettings.extend({
  /** Until when it is quiet now; null: it is not. */
  quietUntil: z.date().nullable(),
});

/** `applicationServerKey` for `pushManager.subscribe`. */
export const pushKey = z.object({ publicKey: z.string() });

/** What `PushSubscription.toJSON()` gives. */
export const pushSubscribe = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/ }).max(2000),
  keys: z.strictObject({ p256dh: z.string().regex(/^[\w-]{80,100}={0,2}$/), auth: z.string().regex(/^[\w-]{16,64}={0,2}$/) }),
});
export type PushSubscribe = z.output<typeof pushSubscribe>;

export const pushDevice = z.object({
  id,
  /** By it a browser knows itself among the devices. */
  endpoint: z.string(),
  /** What the browser says it is. */
  device: z.string(),
  createdAt: z.date(),
  lastSentAt: z.date().nullable(),
});
export const pushDevices = z.object({ items: z.array(pushDevice) });
export const pushDeviceParams = z.object({ id: z.coerce.number().pipe(id) });

/** What the service worker gets, encrypted on its way. */
export interface PushPayload {
  title: string;
  body: string;
  /** A later one with the same tag takes its place. */
  tag: string;
  /** Where a click leads, within the product. */
  path: string;
}
