/**
 * The tabs of a card beside its fields, in their order. A tab is a component in tabs/ that comes when it is opened; it reads
 * the item with `useCardItem()`. To add one: a line here, its name as `web.card.tab.<id>` in the texts `web-card`.
 */
import { type Component, defineAsyncComponent } from 'vue';
import type { ItemType } from '../../crm-config.ts';
import { loadTexts } from '../../text.ts';
import TimelineTab from './tabs/timeline-tab.vue';

export interface CardTab {
  /** In the address: `?tab=invoices`. */
  id: string;
  icon: string;
  component: Component;
  /** Absent: for items of every type. */
  isFor?: (type: ItemType) => boolean;
}

export const tabs: readonly CardTab[] = [
  { id: 'timeline', icon: 'i-lucide-message-square-text', component: TimelineTab },
  { id: 'robots', icon: 'i-lucide-bot', component: defineAsyncComponent(() => loadTexts(['web-runs']).then(() => import('./tabs/robots-tab.vue'))) },
  { id: 'invoices', icon: 'i-lucide-receipt-text', component: defineAsyncComponent(() => import('./tabs/invoices-tab.vue')), isFor: (type) => type.code !== 'invoice' && type.hasAmount },
  { id: 'files', icon: 'i-lucide-paperclip', component: defineAsyncComponent(() => import('./tabs/files-tab.vue')) },
  { id: 'links', icon: 'i-lucide-link-2', component: defineAsyncComponent(() => import('./tabs/links-tab.vue')) },
  { id: 'history', icon: 'i-lucide-history', component: defineAsyncComponent(() => import('./tabs/history-tab.vue')) },
];
