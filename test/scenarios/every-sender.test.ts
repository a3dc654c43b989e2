/** Scenario I with every kind of mail sender: a real letter over a plain, a STARTTLS and a TLS connection, signed in, with and without DKIM. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, test } from 'node:test';
import { rootCertificates, setDefaultCACertificates } from 'node:tls';
import { startKeeper, testCertificate } from '../support/smtp.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, moved, drain } = vestnik;
const servers = {
  none: await startKeeper({ disabledCommands: ['STARTTLS'] }),
  starttls: await startKeeper({ ...testCertificate }),
  tls: await startKeeper({ secure: true, ...testCertificate }),
};
// As an installation trusts its own mail server: the certificate is among those of the machine.
setDefaultCACertificates([...rootCertificates, testCertificate.cert]);
after(async () => {
  setDefaultCACertificates([...rootCertificates]);
  await Promise.all(Object.values(servers).map((server) => server.stop()));
});
const anna = await given.employee({ firstName: 'Анна', lastName: 'Волкова', email: 'anna@example.com' });
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });

for (const security of ['none', 'starttls', 'tls'] as const) {
  for (const dkim of [null, { dkimDomain: 'example.com', dkimSelector: 'robots' }]) {
    test(`${security}${dkim ? ' with DKIM' : ''}: the manager gets a letter about the new deal, once`, async () => {
      const server = servers[security];
      const sender = await api(admin).post('/api/mail/senders', {
        name: 'Вестник', address: 'robot@example.com', host: 'localhost', port: server.port, security, username: 'robot', password: 'correct',
        ...(dkim ? { ...dkim, dkimPrivateKey: privateKey } : {}),
      });
      assert.doesNotMatch(JSON.stringify(sender), /"correct"|PRIVATE KEY/);
      const pipeline = await given.pipeline({ stages: ['Начало', 'Новая сделка'] });
      await given.robot(pipeline.stage('Новая сделка'), 'send-email', { sender: sender.id, subject: 'Новая сделка: {=Document:title}', text: 'Сумма {=Document:amount}' });
      const item = await given.item({ pipelineId: pipeline.id, stageId: pipeline.stage('Начало').id, ownerId: anna.id, title: 'Шкаф', amount: 120_000 });
      const before = server.letters.length;
      await moved(item, pipeline.stage('Новая сделка'));
      await drain();
      await drain();
      const [delivery] = (await api(admin).get('/api/deliveries', { itemId: item.id })).items;
      assert.equal(delivery.state, 'accepted', JSON.stringify(delivery.error));
      const letters = server.letters.slice(before);
      assert.equal(letters.length, 1);
      assert.deepEqual([letters[0]?.to, letters[0]?.isSecure], [['anna@example.com'], security !== 'none']);
      assert.equal(/^DKIM-Signature:/m.test(letters[0]?.raw ?? ''), dkim !== null);
    });
  }
}
