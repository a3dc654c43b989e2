/** Mail senders, SMS providers and what is sent through them, as the pages know them. */
import { useQuery, useQueryCache } from '@pinia/colada';
import type { z } from 'zod';
import type { deliveryDecision, deliveryWithLog, delivery, mailSender, smsProvider, smsProviderType } from '../../../shared/api/deliveries.ts';
import { api } from '../../api.ts';
import type { Json } from '../../json.ts';

export type MailSender = Json<z.output<typeof mailSender>>;
export type SmsProvider = Json<z.output<typeof smsProvider>>;
export type SmsProviderType = Json<z.output<typeof smsProviderType>>;
export type Delivery = Json<z.output<typeof delivery>>;
export type DeliveryWithLog = Json<z.output<typeof deliveryWithLog>>;
export type DeliveryState = Delivery['state'];
export type Channel = Delivery['channel'];
export type Decision = z.output<typeof deliveryDecision>;

export const channelIcon: Record<Channel, string> = { email: 'i-lucide-mail', sms: 'i-lucide-message-square-text' };
export const deliveryStates: readonly DeliveryState[] = ['queued', 'sending', 'accepted', 'delivered', 'failed', 'unknown'];

interface Look {
  icon: string;
  color: 'success' | 'info' | 'error' | 'neutral' | 'warning';
  tint: string;
}
const looks: Record<DeliveryState, Look> = {
  queued: { icon: 'i-lucide-hourglass', color: 'info', tint: 'text-info' },
  sending: { icon: 'i-lucide-send', color: 'info', tint: 'text-info' },
  accepted: { icon: 'i-lucide-check', color: 'success', tint: 'text-success' },
  delivered: { icon: 'i-lucide-check-check', color: 'success', tint: 'text-success' },
  failed: { icon: 'i-lucide-circle-x', color: 'error', tint: 'text-error' },
  unknown: { icon: 'i-lucide-circle-help', color: 'warning', tint: 'text-warning' },
};
export const stateLook = (state: DeliveryState): Look => looks[state];

/** `isWanted`: administrators only may ask. */
export function useMailSenders(isWanted: () => boolean = () => true) {
  return useQuery({ key: ['channels', 'mail'], query: () => api.get<MailSender[]>('/api/mail/senders'), enabled: isWanted });
}
export function useSmsProviders(isWanted: () => boolean = () => true) {
  return useQuery({ key: ['channels', 'sms'], query: () => api.get<SmsProvider[]>('/api/sms/providers'), enabled: isWanted });
}
export function useSmsProviderTypes() {
  return useQuery({ key: ['channels', 'sms-types'], query: () => api.get<SmsProviderType[]>('/api/sms/provider-types'), staleTime: Infinity });
}

/** What robots may be told to send through is another question, asked elsewhere under keys of its own. */
export function useForgetChannels(): () => Promise<unknown> {
  const cache = useQueryCache();
  return () => cache.invalidateQueries({ key: ['channels'] });
}
