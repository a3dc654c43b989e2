/** The sections of the product, in the order of the sidebar. */
export interface Section {
  id: 'feed' | 'messenger' | 'crm' | 'drive' | 'company' | 'settings';
  to: string;
  icon: string;
}

export const sections: readonly Section[] = [
  { id: 'feed', to: '/feed', icon: 'i-lucide-newspaper' },
  { id: 'messenger', to: '/messenger', icon: 'i-lucide-messages-square' },
  { id: 'crm', to: '/crm', icon: 'i-lucide-kanban' },
  { id: 'drive', to: '/drive', icon: 'i-lucide-hard-drive' },
  { id: 'company', to: '/company', icon: 'i-lucide-network' },
  { id: 'settings', to: '/settings', icon: 'i-lucide-settings' },
];
