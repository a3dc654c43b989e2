/** The public page of an invoice: one HTML text without scripts, that prints on a sheet of paper. Pure. */
import { createHash } from 'node:crypto';
import { type Language, text } from '../../shared/messages.ts';
import { invoiceTotal, type PublicInvoice } from './invoices.ts';

const style = `
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f2f4f7;color:#1c2430;font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:800px;margin:32px auto;padding:40px;background:#fff;border-radius:12px;box-shadow:0 1px 4px rgba(0,0,0,.12)}
h1{margin:0 0 4px;font-size:28px;overflow-wrap:anywhere}
.state{display:inline-block;margin:8px 0 24px;padding:2px 12px;border-radius:12px;background:#eef1f5;font-size:14px}
.paid{background:#e3f4d7;color:#2f5d00}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 24px;margin:0 0 28px}
dt{color:#5b6675}dd{margin:0;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse}
th,td{padding:8px;border-bottom:1px solid #dde2e8;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{color:#5b6675;font-weight:500}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
tfoot td{border:0;font-size:20px;font-weight:600}
@media(max-width:600px){main{margin:0;padding:20px;border-radius:0}}
@media print{body{background:#fff}main{margin:0;padding:0;max-width:none;box-shadow:none}tr{break-inside:avoid}thead{display:table-header-group}@page{margin:18mm}}
`;

/** No script, nothing fetched, in no frame; the one style is known by its hash. */
export const invoicePageHeaders: Record<string, string> = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-robots-tag': 'noindex, nofollow',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'private, no-store',
};

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
function escape(value: string): string {
  return value.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign);
}

function money(language: Language, amount: number, currency: string): string {
  try {
    return new Intl.NumberFormat(language, { style: 'currency', currency }).format(amount);
  } catch {
    // A currency people made up has no sign of its own.
    return `${new Intl.NumberFormat(language, { minimumFractionDigits: 2 }).format(amount)} ${currency}`;
  }
}

function day(language: Language, date: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(`${date}T00:00:00Z`));
}

function page(language: Language, title: string, body: string): string {
  return `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex,nofollow">
<title>${escape(title)}</title><style>${style}</style></head><body><main>${body}</main></body></html>`;
}

export function renderInvoice(invoice: PublicInvoice, language: Language): string {
  const say = (key: string, params = {}) => escape(text(language, `crm.invoice.${key}`, params));
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 6 });
  const facts: [string, string][] = [
    [say('seller'), escape(invoice.seller)],
    [say('client'), [invoice.clientCompany, invoice.client].filter((name) => name !== '').map(escape).join(', ')],
    [say('issued_on'), escape(day(language, invoice.issuedOn))],
    [say('due_on'), invoice.dueOn === null ? '' : escape(day(language, invoice.dueOn))],
  ];
  const rows = invoice.lines.map((line, index) => `<tr><td class="n">${index + 1}</td><td dir="auto">${escape(line.name)}</td>
<td class="n">${escape(number.format(line.quantity))}${line.unit ? ` ${escape(line.unit)}` : ''}</td>
<td class="n">${escape(money(language, line.price, invoice.currency))}</td>
<td class="n">${escape(money(language, invoiceTotal([line]), invoice.currency))}</td></tr>`);
  const title = text(language, 'crm.invoice.title', { number: invoice.number });
  return page(language, title, `<h1>${escape(title)}</h1>
<p class="state${invoice.paidAt ? ' paid' : ''}">${say(invoice.paidAt ? 'paid' : 'unpaid')}</p>
<dl>${facts.filter(([, value]) => value !== '').map(([name, value]) => `<dt>${name}</dt><dd dir="auto">${value}</dd>`).join('')}</dl>
<table><thead><tr><th class="n">№</th><th>${say('line_name')}</th><th class="n">${say('quantity')}</th><th class="n">${say('price')}</th><th class="n">${say('sum')}</th></tr></thead>
<tbody>${rows.join('\n')}</tbody>
<tfoot><tr><td colspan="4" class="n">${say('total')}</td><td class="n">${escape(money(language, invoiceTotal(invoice.lines), invoice.currency))}</td></tr></tfoot></table>`);
}

export function renderNoInvoice(language: Language): string {
  const title = text(language, 'crm.invoice.gone');
  return page(language, title, `<h1>${escape(title)}</h1><p>${escape(text(language, 'crm.invoice.gone_hint'))}</p>`);
}
