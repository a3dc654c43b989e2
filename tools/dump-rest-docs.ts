/**
 * Writes docs/rest.md from the catalogue of methods; `--check` writes nothing and fails when it is out of date.
 * Needs no database: methods describe themselves. What is not about one method stands here.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { openDb } from '../server/db/db.ts';
import { buildVestnik } from '../server/vestnik.ts';

const file = new URL('../docs/rest.md', import.meta.url);

const databaseUrl = 'postgres://nobody@127.0.0.1:1/none';
const db = openDb(databaseUrl);
const options = { databaseUrl, port: 3000, host: '127.0.0.1', publicUrl: 'http://localhost:3000', dataDir: '/nonexistent', secret: 'x'.repeat(32) };
const { app, rest } = await buildVestnik({ ...options, logLevel: 'silent' }, db);
const { methods } = rest.catalogue;
await app.close();
await db.close();

const before = `# Bitrix24-compatible REST

<!-- Made by \`npm run rest-docs\` from the methods themselves. Do not edit. -->

Scripts, forms and bots written for Bitrix24 talk to Vestnik at \`/rest/\`: same methods, parameters, answers and errors. What is not in
the list below answers \`ERROR_METHOD_NOT_FOUND\`. [operations.md](operations.md) says how to make webhooks and tokens, and how to serve TLS,
which the official clients ask for.

## Who calls

- **Incoming webhook**: \`https://crm.example.com/rest/<employee>/<secret>/<method>\`. Acts as the employee, with his rights, cut by the
  scopes of the webhook. Made under Settings, by \`POST /api/rest/webhooks\`, or by \`npm run vestnik -- webhook create --employee 1\`.
- **Local application**: \`https://crm.example.com/rest/<method>\` with \`auth\` (in the body or the query; \`access_token\` and a Bearer header
  work too). Made by an administrator: \`POST /api/rest/apps\`, or \`npm run vestnik -- app create --name Robots\`. Methods marked *app* below
  need one and answer a webhook \`ACCESS_DENIED\`, «Application context required». \`POST /oauth/token/\` (or GET) with
  \`grant_type=refresh_token\` renews a pair of tokens.

## What differs

- **Tokens.** There is no page where a user consents: an administrator issues tokens, for any employee (\`POST /api/rest/apps/:id/tokens\`).
  They live ten years unless told otherwise, because some clients can renew theirs at the vendor's server only; a renewed one lives an hour.
- **Limits** are off, as on a Bitrix24 of one's own: \`REST_REQUESTS_PER_SECOND\` answers \`QUERY_LIMIT_EXCEEDED\` (503),
  \`REST_OPERATING_SECONDS\` \`OPERATION_TIME_LIMIT\` (429). A batch counts as one request. 120 wrong secrets a minute from one address
  are answered \`QUERY_LIMIT_EXCEEDED\`. A request has at most 64 MB, an address 256 kB, nesting 64 levels, a batch 50 commands.
- **Errors inside a batch** never have an empty code, which clients would not see: it is \`ERROR_CORE\` there.
- **A filter by a field that does not exist** is refused (\`INVALID_ARG_VALUE\`): ignoring it would find more than was asked for. An empty
  value in a comparison (\`>ID\` and nothing) finds nothing.
- **Fields Vestnik lacks** (COMMENTS, SOURCE_ID, UTM_*, ORIGIN_ID, PROBABILITY, names and phones of a lead …) become own fields of the
  company when somebody first writes them: nothing is lost, people see them in the card, robots can use them. When an administrator
  deletes such a field, later values are dropped. IS_RECURRING, TAX_VALUE, OPENED and the like are fixed and cannot be written.
- **Own fields** made by REST keep their name (\`UF_CRM_…\`) as code, so that \`{=Document:UF_CRM_…}\` works in texts; those made in the
  interface are \`UF_CRM_\` and their code.
- **Numbers**: leads 1, deals 2, contacts 3, companies 4, invoices 31, own types 128 and their id. Funnel 0 of deals and leads is the
  oldest one, whichever is the default.
- **Phones and addresses** of clients have no kind: VALUE_TYPE is always WORK. Their ids are made of the owner's id and their place.
- **A record has one contact**: of CONTACT_IDS the first counts. Products, activities, telephony and REST 3.0 are not there.
- **Robots** start on whatever REST creates and moves, as on what people do.
- **Addresses of files** (DOWNLOAD_URL, downloadUrl, urlMachine, urlDownload, uploadUrl) need no sign-in: they are signed for the employee who asked,
  are good for an hour, and ask for his rights each time they are used. showUrl and url want a sign-in. Files always come as attachments.
- **Methods that are not there**, because what they speak of is not: of records, details.configuration, products, recurring deals, payments,
  deliveries, activities and what the timeline holds besides comments; of the messenger, im.chat.updateColor and updateAvatar, im.dialog.unread,
  im.message.share and command, im.notify.answer, confirm and schema.get, im.recent.hide and unread, im.user.status and the departments of im;
  of Drive, rights, links of folders, folder.copyTo and shareToUser, storage.getForApp and rename, file.search and version.get;
  user.userfield, workflows and their tasks, bots and mail services. Departments are department.* here.
- **Dates** are told with the offset of the company's time zone; a date without an offset is the company's.

## What was run

| Client | How | What |
|---|---|---|
| \`@bitrix24/b24jssdk\` 2.2.0, webhook | \`B24Hook.fromWebhookUrl\`, TLS with a certificate of the test | clients, deals, moves, comments of robots; 120 commands in chunks; \`callList\`, \`fetchList\`; an error inside a batch; health check; REST 3.0 refused |
| \`@bitrix24/b24jssdk\` 2.2.0, OAuth | \`B24OAuth\`, http | the same; \`app.info\`; an expired token renewed by the client itself |
| \`@bitrix24/b24jssdk\` 2.2.0, application | \`B24OAuth\`, http and TLS | companies, contacts, deals and moves; a robot, a trigger and an SMS sender registered, run, answered and taken back; what robots did read from comments and the history of stages; events received |
| \`@2bad/bitrix\` 2.5.1, webhook | http and TLS, everything in addresses | companies, deals, moves; batches of fifty commands in one address; all pages of a list |
| \`@2bad/bitrix\` 2.5.1, application | its \`call\` with the token as the parameter \`auth\` (its own way of sending a token sends none), http and TLS | the same journey as the application on b24jssdk |

All of it is in \`test/rest/clients.test.ts\` and \`test/rest/app-clients.test.ts\`; the wire, every family of methods and bad input in the other files of \`test/rest\`.

## Methods

`;

const escape = (text: string) => text.replaceAll('|', '\\|');
const families = Map.groupBy(methods, (method) => {
  const [first = '', second = ''] = method.name.split('.');
  return first === 'crm' || first === 'im' || first === 'disk' || first === 'log' || first === 'bizproc' || first === 'messageservice' ? `${first}.${second}` : first;
});
const lines = [...families].flatMap(([, some]) => some.map((method) => {
  const params = Object.entries(method.params).map(([name, { isRequired }]) => (isRequired ? `**${name}**` : name)).join(', ');
  const notes = [method.context === 'app' ? '*app*' : '', method.notInBatch ? 'not in a batch' : '', method.differs ?? ''].filter((note) => note !== '').join(' ');
  return `| \`${method.name}\` | ${method.scopes.join(', ')} | ${escape(params)} | ${escape(method.about)} | ${escape(notes)} |`;
}));
const text = `${before}${methods.length + 1} methods. Parameters in bold have to be given.

| Method | Scope | Parameters | What it does | What differs |
|---|---|---|---|---|
| \`batch\` | basic | **cmd**, halt | Runs up to 50 commands in order; \`$result[key][field]\` speaks of earlier answers. | |
${lines.join('\n')}
`;

if (!process.argv.includes('--check')) {
  await writeFile(file, text);
} else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
  console.error('docs/rest.md does not describe the methods any more. Run `npm run rest-docs` and commit what changed.');
  process.exitCode = 1;
}
