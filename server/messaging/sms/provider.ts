/** What a kind of SMS provider is: one folder under providers/ and one defineSmsProvider(). */
import type { z } from 'zod';
import type { Outcome } from '../../deliveries/deliveries.ts';
import type { Outbound } from './outbound.ts';

export interface SmsMessage {
  /** The delivery's id: the same at every attempt. */
  id: number;
  /** E.164: '+79161234567'. */
  phone: string;
  text: string;
}

export interface SendContext {
  outbound: Outbound;
  now: () => Date;
}

export interface SmsProviderDefinition<Settings> {
  /** Stored in the database, so never renamed. Also the folder's name. */
  id: string;
  settings: z.ZodType<Settings>;
  /**
   * Where the keys go. When it changes they have to be entered anew: otherwise keys that nobody may
   * read could be had by pointing the provider at a server of one's own.
   */
  destination(settings: Settings): string;
  /** Checks of what a schema cannot say; throws UserError. Called when settings are saved. */
  check?(settings: Settings, secrets: Readonly<Record<string, string>>, context: SendContext): Promise<void>;
  /**
   * Talks to the provider, in finite time. 'transient' and 'permanent' only when the message surely
   * was not taken; whatever may have been taken is 'unknown'.
   */
  send(message: SmsMessage, settings: Settings, secrets: Readonly<Record<string, string>>, context: SendContext): Promise<Outcome>;
}

/** The settings' type stays inside. */
export interface SmsProviderType {
  readonly id: string;
  readonly settings: z.ZodType;
  /** The settings as they are saved; throws ZodError or UserError. */
  check(saved: unknown, secrets: Readonly<Record<string, string>>, context: SendContext): Promise<unknown>;
  /** undefined: the settings are not valid. */
  destination(saved: unknown): string | undefined;
  send(message: SmsMessage, saved: unknown, secrets: Readonly<Record<string, string>>, context: SendContext): Promise<Outcome>;
}

export function defineSmsProvider<Settings>(definition: SmsProviderDefinition<Settings>): SmsProviderType {
  return {
    id: definition.id,
    settings: definition.settings,
    async check(saved, secrets, context) {
      const settings = definition.settings.parse(saved);
      await definition.check?.(settings, secrets, context);
      return settings;
    },
    destination(saved) {
      const { data } = definition.settings.safeParse(saved);
      return data === undefined ? undefined : definition.destination(data);
    },
    send: (message, saved, secrets, context) => definition.send(message, definition.settings.parse(saved), secrets, context),
  };
}
