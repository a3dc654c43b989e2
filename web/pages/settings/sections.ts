/** What there is to set, in groups. */
export interface SettingsSection {
  id: string;
  to: string;
  icon: string;
  isForAdmins?: boolean;
  /** Not in the menu of others, but a link leads them there, and shows what they may see. */
  isOpenToRead?: boolean;
}

export const groups: readonly { id: string; sections: readonly SettingsSection[] }[] = [
  {
    id: 'mine',
    sections: [
      { id: 'profile', to: '/settings/profile', icon: 'i-lucide-user' },
      { id: 'security', to: '/settings/security', icon: 'i-lucide-shield-check' },
      { id: 'notifications', to: '/notifications?settings=1', icon: 'i-lucide-bell-ring' },
      { id: 'tokens', to: '/settings/tokens', icon: 'i-lucide-key-round' },
    ],
  },
  {
    id: 'company',
    sections: [
      { id: 'company', to: '/settings/company', icon: 'i-lucide-building-2', isForAdmins: true, isOpenToRead: true },
      { id: 'calendar', to: '/settings/calendar', icon: 'i-lucide-calendar-clock', isForAdmins: true, isOpenToRead: true },
    ],
  },
  {
    id: 'crm',
    sections: [
      { id: 'pipelines', to: '/settings/pipelines', icon: 'i-lucide-kanban', isForAdmins: true },
      { id: 'fields', to: '/settings/fields', icon: 'i-lucide-text-cursor-input', isForAdmins: true },
      { id: 'types', to: '/settings/types', icon: 'i-lucide-shapes', isForAdmins: true },
      { id: 'access', to: '/settings/access', icon: 'i-lucide-lock-keyhole', isForAdmins: true },
    ],
  },
  {
    id: 'outside',
    sections: [
      { id: 'mail', to: '/settings/mail', icon: 'i-lucide-mail', isForAdmins: true },
      { id: 'sms', to: '/settings/sms', icon: 'i-lucide-message-square-text', isForAdmins: true },
      { id: 'deliveries', to: '/settings/deliveries', icon: 'i-lucide-send', isForAdmins: true, isOpenToRead: true },
      { id: 'budgets', to: '/settings/budgets', icon: 'i-lucide-gauge', isForAdmins: true },
      { id: 'integrations', to: '/settings/integrations', icon: 'i-lucide-webhook' },
      { id: 'health', to: '/settings/health', icon: 'i-lucide-activity', isForAdmins: true },
    ],
  },
];
