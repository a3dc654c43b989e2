/**
 * SMS through an application: what is sent is told to its handler, which sends it in its own way and reports what
 * became of it by `messageservice.message.status.update`. Not in the catalogue: applications bring it themselves.
 */
import { z } from 'zod';
import { defineSmsProvider, gatewayProblem, type SmsProviderType } from './provider.ts';

export const appSmsSettings = z.strictObject({
  appId: z.int().positive(),
  code: z.string().min(1).max(100),
  handler: z.url({ protocol: /^https?$/ }).max(2000),
  /** Whose token the handler is given. */
  employeeId: z.int().positive().nullable(),
});
export type AppSmsSettings = z.output<typeof appSmsSettings>;

/** What the handler is told, as the application expects it; undefined: the application is gone. */
export type PrepareAppSms = (message: AppSmsSettings & { deliveryId: number; messageId: string; phone: string; text: string }) =>
  Promise<{ body: string; allowPrivateHost: boolean } | undefined>;

export const appSmsType = 'app';
const longestDetail = 300;

/** By this name the application knows the message. */
export function appMessageId(deliveryId: number): string {
  return String(deliveryId);
}

export function appSmsProvider(prepare: PrepareAppSms): SmsProviderType {
  return defineSmsProvider<AppSmsSettings>({
    id: appSmsType,
    settings: appSmsSettings,
    form: [],
    secrets: [],
    destination: ({ handler }) => new URL(handler).origin,
    async send(message, { settings, http, now }) {
      const messageId = appMessageId(message.id);
      const prepared = await prepare({ ...settings, deliveryId: message.id, messageId, phone: message.phone, text: message.text });
      if (!prepared) return { outcome: 'permanent', code: 'sms.settings_unusable', detail: settings.code };
      const answer = await http.send({
        method: 'POST', url: settings.handler, body: prepared.body, allowPrivateHost: prepared.allowPrivateHost, headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
      const problem = gatewayProblem(answer, now());
      if (problem) return problem;
      if (answer.kind === 'answer' && answer.status < 300) return { outcome: 'accepted', providerMessageId: messageId };
      return { outcome: 'permanent', code: 'sms.rejected', detail: answer.kind === 'answer' ? `${answer.status} ${answer.body}`.slice(0, longestDetail) : '' };
    },
  });
}
