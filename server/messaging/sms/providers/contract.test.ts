/** What every kind of SMS provider keeps, whatever its protocol; and the six with a gateway, all the way through the product. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, afterEach, test } from 'node:test';
import { errorMessage, languages, text } from '../../../../shared/messages.ts';
import { UserError } from '../../../../shared/errors.ts';
import { testDatabase } from '../../../../test/support/database.ts';
import { sql } from '../../../db/db.ts';
import { createDeliveries } from '../../../deliveries/deliveries.ts';
import { createJobs } from '../../../jobs/jobs.ts';
import { createLive } from '../../../live/live.ts';
import { type Actor, createPeople } from '../../../people/people.ts';
import { describeProviderTypes, smsProviderTypes } from '../catalog.ts';
import type { SmsCallback } from '../provider.ts';
import { createSms } from '../sms.ts';
import { startExolveGateway } from './exolve/gateway.ts';
import { exolveFailures, exolveVerdicts } from './exolve/provider.ts';
import { startSmsAeroGateway } from './sms-aero/gateway.ts';
import { smsAeroFailures, smsAeroVerdicts } from './sms-aero/provider.ts';
import { startSmsRuGateway } from './sms-ru/gateway.ts';
import { smsRuFailures, smsRuVerdicts } from './sms-ru/provider.ts';
import { startSmscGateway } from './smsc/gateway.ts';
import { smscFailures, smscVerdicts } from './smsc/provider.ts';
import { startTwilioGateway } from './twilio/gateway.ts';
import { twilioFailures, twilioVerdicts } from './twilio/provider.ts';
import { startVonageGateway } from './vonage/gateway.ts';
import { vonageFailures, vonageVerdicts } from './vonage/provider.ts';

const folder = new URL('./', import.meta.url);
const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
const textsOf = (id: string, language: string): Record<string, string> => JSON.parse(readFileSync(new URL(`${id}/${language}.json`, folder), 'utf8'));

/** What each can; a new provider says it here. */
const abilities: Record<string, string> = {
  'sms-ru': 'status callbacks balance', smsc: 'status findUnanswered callbacks balance', 'sms-aero': 'status findUnanswered callbacks balance', exolve: 'status callbacks',
  twilio: 'status findUnanswered callbacks balance', vonage: 'callbacks balance',
};
/** What each tells by a reason. */
const reasons: Record<string, readonly string[]> = {
  'sms-ru': [...Object.keys(smsRuVerdicts), ...smsRuFailures], smsc: [...Object.keys(smscVerdicts), ...smscFailures],
  'sms-aero': [...Object.keys(smsAeroVerdicts), ...smsAeroFailures], exolve: [...Object.keys(exolveVerdicts), ...exolveFailures],
  twilio: [...Object.keys(twilioVerdicts), ...twilioFailures], vonage: [...Object.keys(vonageVerdicts), ...vonageFailures],
};

test('ids are folders, and every folder is in the catalogue', () => {
  assert.deepEqual(smsProviderTypes.map(({ id }) => id).sort(), folders);
});

for (const type of smsProviderTypes) {
  test(`${type.id}: its form has words in both languages, and no word is idle`, () => {
    const needed = ['title', 'description', ...type.form.flatMap(({ name, options }) => [`settings.${name}.label`, ...(options ?? []).map((option) => `settings.${name}.options.${option}`)])];
    const secrets = type.secrets === 'any' ? [] : type.secrets.map(({ name }) => `secrets.${name}.label`);
    const errors = (reasons[type.id] ?? []).map((reason) => `errors.${reason}`);
    for (const language of languages) {
      const keys = Object.keys(textsOf(type.id, language));
      assert.deepEqual([...needed, ...secrets, ...errors].filter((key) => !keys.includes(key)), [], `${language} lacks`);
      // As they are read where errors are told.
      for (const key of errors) assert.equal(text(language, `sms.providers.${type.id}.${key}`), textsOf(type.id, language)[key]);
      const idle = keys.filter((key) => !needed.includes(key) && !secrets.includes(key) && !errors.includes(key) && !(key.endsWith('.hint') && [...needed, ...secrets].includes(key.replace(/hint$/, 'label'))));
      assert.deepEqual(reasons[type.id] ? idle : idle.filter((key) => !key.startsWith('errors.')), [], `${language} has idle texts`);
    }
    const described = languages.map((language) => describeProviderTypes(language).find(({ id }) => id === type.id));
    assert.ok(described.every((one) => one && one.title !== 'title' && one.description.length > 30));
  });

  test(`${type.id}: the form draws every setting, and nothing else`, () => {
    const shape: unknown = 'shape' in type.settings ? type.settings.shape : undefined;
    if (typeof shape === 'object' && shape !== null) assert.deepEqual(type.form.map(({ name }) => name).sort(), Object.keys(shape).sort());
    const names = [...type.form.map(({ name }) => name), ...(type.secrets === 'any' ? [] : type.secrets.map(({ name }) => name))];
    assert.equal(new Set(names).size, names.length);
  });

  test(`${type.id}: settings that make no sense have no destination and throw nothing`, () => {
    for (const nonsense of [undefined, null, 1, 'x', [], { url: 'ftp://x' }, { url: 'javascript:1', host: 5, port: -1 }, { nonsense: 1 }]) assert.equal(type.destination(nonsense), undefined);
  });
}

test('each says what it can', () => {
  for (const [id, expected] of Object.entries(abilities)) {
    const can = smsProviderTypes.find((type) => type.id === id)?.can;
    assert.equal(Object.entries(can ?? {}).flatMap(([what, isSo]) => (isSo ? [what] : [])).join(' '), expected, id);
  }
});

test('the addresses of the documentation are public and encrypted', () => {
  for (const id of Object.keys(abilities)) {
    const type = smsProviderTypes.find((one) => one.id === id);
    const required = { email: 'a@b.ru', sender: 'X', from: 'X', apiKey: 'k', accountSid: `AC${'0'.repeat(32)}` };
    const given = Object.fromEntries(Object.entries(required).filter(([name]) => type?.form.some((field) => field.name === name)));
    assert.match(type?.destination(given) ?? '', /^https:\/\/[a-z.]+\.(ru|com)$/, id);
  }
});

// The product around them.
const { db } = await testDatabase();
const now = () => new Date('2026-03-02T10:00:00Z');
const errors: unknown[] = [];
const jobs = createJobs({ db, now, onError: (error) => errors.push(error) });
const live = createLive({ db, now });
const people = createPeople({ db, live, now });
const deliveries = createDeliveries({ db, live, jobs, now, secret: 'test secret', messageIdHost: 'x', onError: (error) => errors.push(error) });
const sms = createSms({ db, jobs, people, deliveries, now, publicUrl: 'https://crm.example.ru', patienceMs: 2000 });
sms.startSending();
await db.run(sql`insert into company (name, country) values ('Ромашка', 'RU') on conflict do nothing`);
await db.run(sql`insert into employees (id, email, is_admin) values (1, 'admin@x', true), (2, 'anna@x', false)`);
const admin: Actor = { employeeId: 1, isAdmin: true, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' };
const [smsRu, smsc, aero, exolve, twilio, vonage] = await Promise.all([startSmsRuGateway(), startSmscGateway(), startSmsAeroGateway(), startExolveGateway(), startTwilioGateway(), startVonageGateway()]);
after(async () => {
  await sms.close();
  await Promise.all([smsRu, smsc, aero, exolve, twilio, vonage].map((gateway) => gateway.close()));
});
afterEach(() => assert.deepEqual(errors.splice(0), [], 'no error was reported'));

const at = ({ url }: { url: string }) => ({ url, allowPrivateHost: true });
type Sent = { form?: Record<string, string>; json?: unknown; headers?: Record<string, string> };
interface Case {
  settings: Record<string, unknown>;
  secrets: Record<string, string>;
  /** A report that a message arrived, and one that it did not, to an address. */
  report(id: string, isDelivered: boolean, url: string): Sent;
  /** One that somebody made up who knows the address; undefined: the address is all there is. */
  forged?(id: string, url: string): Sent;
  refuse(): void;
}
const cases: Record<string, Case> = {
  'sms-ru': {
    settings: { ...at(smsRu), sender: 'Romashka' }, secrets: { apiId: smsRu.apiId },
    report(id, isDelivered) {
      smsRu.messages.get(id)!.code = isDelivered ? 103 : 104;
      return { form: smsRu.callback([id]) };
    },
    forged: (id) => ({ form: { ...smsRu.callback([id]), hash: '0'.repeat(64) } }),
    refuse: () => void smsRu.refused.set('79161234567', 204),
  },
  smsc: {
    settings: { ...at(smsc), login: smsc.login }, secrets: { password: smsc.password, callbackPhrase: smsc.phrase },
    report(id, isDelivered) {
      smsc.messages.get(id)!.status = isDelivered ? 1 : 20;
      return { form: smsc.callback(id) };
    },
    forged: (id) => ({ form: { ...smsc.callback(id), sha1: '0'.repeat(40) } }),
    refuse: () => void smsc.refused.set('+79161234567', 6),
  },
  'sms-aero': {
    settings: { ...at(aero), email: aero.email, sender: 'SMS Aero' }, secrets: { apiKey: aero.apiKey },
    report(id, isDelivered) {
      aero.messages.get(Number(id))!.status = isDelivered ? 1 : 2;
      return { json: aero.callback(Number(id)) };
    },
    refuse: () => void aero.refused.set('79161234567', { status: 400, body: { success: false, data: { sign: ['Validation error: sign.'] }, message: 'Validation error.' } }),
  },
  exolve: {
    settings: { ...at(exolve), sender: 'Romashka' }, secrets: { apiKey: exolve.apiKey },
    report(id, isDelivered) {
      exolve.messages.get(id)!.delivery_status = isDelivered ? 'DELIVERY_STATUS_DELIVERED' : 'DELIVERY_STATUS_UNDELIVERED';
      return { json: exolve.callback(id) };
    },
    refuse: () => void exolve.refused.set('79161234567', { status: 404, body: { error: { code: 404, message: 'alpha name not found' } } }),
  },
  twilio: {
    settings: { ...at(twilio), accountSid: twilio.accountSid, from: '+15017122661' }, secrets: { authToken: twilio.authToken },
    report(id, isDelivered, url) {
      twilio.messages.get(id)!.status = isDelivered ? 'delivered' : 'undelivered';
      return twilio.callback(id, url);
    },
    forged: (id) => twilio.callback(id, 'https://elsewhere.example.ru/'),
    refuse: () => void twilio.refused.set('+79161234567', { status: 400, code: 21606 }),
  },
  vonage: {
    settings: { ...at(vonage), apiKey: vonage.apiKey, from: 'Romashka' }, secrets: { apiSecret: vonage.apiSecret, signatureSecret: vonage.signatureSecret },
    report(id, isDelivered) {
      vonage.messages.get(id)!.status = isDelivered ? 'delivered' : 'failed';
      return { json: vonage.receipt(id, 'md5hash') };
    },
    forged: (id) => ({ json: vonage.receipt(id) }),
    refuse: () => void vonage.refused.set('79161234567', { code: 15 }),
  },
};

const code = (expected: string) => (error: unknown) => error instanceof UserError && error.code === expected;
async function send(senderId: number): Promise<number> {
  const [id] = await db.transaction((tx) => deliveries.queue(tx, [{ channel: 'sms', senderId, employeeId: 2, address: '+79161234567', itemId: null, runId: null, content: { text: 'Счёт оплачен' } }]));
  await jobs.drain();
  return id!;
}
function asCallback(url: string, { form, json, headers }: Sent): SmsCallback {
  const raw = form ? new URLSearchParams(form).toString() : JSON.stringify(json);
  return {
    method: 'POST', url, query: {}, rawBody: Buffer.from(raw), body: form ?? json,
    headers: { 'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json', ...headers },
  };
}

test('empty and wrong settings are told as problems that name the field', async () => {
  for (const { id, secrets } of smsProviderTypes) {
    for (const settings of [{}, { url: '' }, { url: 5, sender: 5, from: null, email: 'x' }, { nonsense: true }, { sender: 'a\nb', from: 'a\nb' }, { url: `https://x.ru/${'x'.repeat(5000)}` }]) {
      const made = sms.createProvider(admin, { type: id, name: 'Пусто', settings, secrets: {}, isDefault: false });
      await made.then(() => assert.ok(secrets === 'any' || secrets.every((secret) => !secret.isRequired), `${id} was saved without its keys`), (error: unknown) => {
        assert.ok(error instanceof UserError, `${id}: ${String(error)}`);
        for (const language of languages) assert.doesNotMatch(errorMessage(language, error.code, error.params), /[{}@]/, id);
      });
    }
  }
});

test('an account over an unencrypted or internal address needs the administrator’s word', async () => {
  for (const [type, { settings, secrets }] of Object.entries(cases)) {
    await assert.rejects(sms.createProvider(admin, { type, name: type, settings: { ...settings, allowPrivateHost: false }, secrets, isDefault: false }), code('sms.private_host'), type);
  }
});

for (const [type, given] of Object.entries(cases)) {
  test(`${type}: keys never come back; messages go out, are reported on, and refusals read well`, async () => {
    const provider = await sms.createProvider(admin, { type, name: 'Наш провайдер', settings: given.settings, secrets: given.secrets, isDefault: false });
    const shown = JSON.stringify([provider, await sms.providers(admin), await db.rows(sql`select settings, encode(secret, 'escape') as secret from sms_providers`)]);
    for (const secret of Object.values(given.secrets)) assert.ok(!shown.includes(JSON.stringify(secret).slice(1, -1)), 'a key came out');
    assert.deepEqual(provider.secretNames, Object.keys(given.secrets).sort());
    const url = provider.callbackUrl ?? '';
    const token = url.split('/').at(-1) ?? '';
    const call = async (sent: Sent) => {
      const answer = await sms.callback(provider.id, token, asCallback(url, sent));
      await jobs.drain();
      return answer;
    };
    const stateOf = async (id: number) => (await deliveries.get(admin, id)).state;

    const sent = await deliveries.get(admin, await send(provider.id));
    assert.equal(sent.state, 'accepted', JSON.stringify(sent.error));
    const number = sent.providerMessageId!;
    if (given.forged) await assert.rejects(call(given.forged(number, url)), code('sms.callback_refused'));
    assert.equal(await sms.callback(provider.id, 'guessed', asCallback(url, given.report(number, true, url))), undefined);
    assert.equal(await stateOf(sent.id), 'accepted');
    assert.equal((await call(given.report(number, true, url)))?.status, 200);
    assert.equal(await stateOf(sent.id), 'delivered');
    await call(given.report(number, true, url));
    assert.equal(await stateOf(sent.id), 'delivered', 'twice');

    const lost = await deliveries.get(admin, await send(provider.id));
    await call(given.report(lost.providerMessageId!, false, url));
    const failed = await deliveries.get(admin, lost.id);
    assert.equal(failed.state, 'failed');
    for (const language of languages) assert.doesNotMatch(errorMessage(language, failed.error!.code, failed.error!.params), /[{}@]|sms\./);

    given.refuse();
    const refused = await deliveries.get(admin, await send(provider.id));
    assert.equal(refused.state, 'failed');
    const { ru, en } = { ru: textsOf(type, 'ru'), en: textsOf(type, 'en') };
    const said = errorMessage('ru', refused.error!.code, refused.error!.params);
    assert.match(said, /Наш провайдер/);
    assert.ok(Object.entries(ru).some(([key, text]) => key.startsWith('errors.') && said.includes(text)), said);
    assert.ok(Object.entries(en).some(([key, text]) => key.startsWith('errors.') && errorMessage('en', refused.error!.code, refused.error!.params).includes(text)));

    if (abilities[type]?.includes('balance')) assert.ok((await sms.balance(admin, provider.id)).amount > 0);
    else await assert.rejects(sms.balance(admin, provider.id), code('sms.not_supported'));
  });
}

test('a message whose answer was lost is not sent again, and a report with our reference settles it', async () => {
  vonage.refused.clear();
  smsc.refused.clear();
  for (const [type, gateway] of [['vonage', vonage], ['smsc', smsc]] as const) {
    const { settings, secrets, report } = cases[type]!;
    const provider = await sms.createProvider(admin, { type, name: type, settings, secrets, isDefault: false });
    const count = gateway.messages.size;
    gateway.spoilNext('silence');
    const id = await send(provider.id);
    const lost = await deliveries.get(admin, id);
    assert.ok(['unknown', 'accepted'].includes(lost.state), lost.state);
    assert.equal(gateway.messages.size, count + 1, 'once');
    const number = [...gateway.messages.keys()].at(-1)!;
    const url = provider.callbackUrl!;
    await sms.callback(provider.id, url.split('/').at(-1)!, asCallback(url, report(number, true, url)));
    await jobs.drain();
    assert.equal((await deliveries.get(admin, id)).state, 'delivered', type);
    assert.equal(gateway.messages.size, count + 1, 'once');
  }
});
