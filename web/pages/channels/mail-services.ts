/** Mail services people have, with what they say about sending by SMTP. */
import type { MailSender } from './channels.ts';

export interface MailService {
  id: string;
  name: string;
  host: string;
  port: number;
  security: MailSender['security'];
}

/** `web.channels.mail.service.<id>.hint` says what else one has to do there. */
export const mailServices: readonly MailService[] = [
  { id: 'yandex', name: 'Яндекс', host: 'smtp.yandex.ru', port: 465, security: 'tls' },
  { id: 'mailru', name: 'Mail.ru / VK WorkSpace', host: 'smtp.mail.ru', port: 465, security: 'tls' },
  { id: 'google', name: 'Gmail / Google Workspace', host: 'smtp.gmail.com', port: 465, security: 'tls' },
  { id: 'microsoft', name: 'Microsoft 365', host: 'smtp.office365.com', port: 587, security: 'starttls' },
];

const ports: Record<MailSender['security'], number> = { tls: 465, starttls: 587, none: 25 };
export const usualPort = (security: MailSender['security']): number => ports[security];
export const isUsualPort = (port: number): boolean => Object.values(ports).includes(port);

/** By the address of a person: what he most likely has. */
export function serviceFor(address: string): MailService | undefined {
  const domain = address.split('@').at(-1)?.toLowerCase() ?? '';
  if (/^(yandex\.(ru|com|by|kz)|ya\.ru)$/.test(domain)) return mailServices[0];
  if (/^(mail|bk|list|inbox)\.ru$/.test(domain)) return mailServices[1];
  if (/^(gmail|googlemail)\.com$/.test(domain)) return mailServices[2];
  if (/^(outlook|hotmail|live)\.com$/.test(domain)) return mailServices[3];
  return undefined;
}
