/** How kinds of messages look. */
export interface MessageLook {
  box: string;
  icon?: string;
  tint: string;
}

const looks: Record<string, MessageLook> = {
  plain: { box: 'bg-elevated', tint: '' },
  announcement: { box: 'border-s-4 border-info bg-info/10', icon: 'i-lucide-megaphone', tint: 'text-info' },
  notice: { box: 'border-s-4 border-success bg-success/10', icon: 'i-lucide-bell', tint: 'text-success' },
  important: { box: 'border-s-4 border-warning bg-warning/10', icon: 'i-lucide-star', tint: 'text-warning' },
  alarm: { box: 'border-s-4 border-error bg-error/10', icon: 'i-lucide-siren', tint: 'text-error' },
};

export function lookOf(kind: string): MessageLook {
  return looks[kind] ?? { box: 'bg-elevated', tint: '' };
}
