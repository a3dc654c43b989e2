/** The list of SMS providers we can talk to. */
import type { SmsProviderType } from './provider.ts';
import { httpProvider } from './providers/http/provider.ts';

export const smsProviderTypes: readonly SmsProviderType[] = [httpProvider];
