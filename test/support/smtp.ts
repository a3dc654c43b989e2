/** A mail server on loopback for tests of mail: it keeps what it gets, and refuses where it is told to. */
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

/** For localhost, of nobody: a test that trusts it says so. */
export const testCertificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwqA7IR081kafCAhA
3ZAzd35V4jSsxp1T52aDwQ9a/bKhRANCAAQw3aL/NJMXx+vYxDkbIS5MlJ6zrKQu
iU84d/tOJEJ791L1kMYQOVA2XrFr68mKvX1WwLmu5hc9faBBb7c3h+BK
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBQDCB6KADAgECAgEBMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCWxvY2FsaG9z
dDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFDESMBAGA1UEAwwJ
bG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMN2i/zSTF8fr2MQ5
GyEuTJSes6ykLolPOHf7TiRCe/dS9ZDGEDlQNl6xa+vJir19VsC5ruYXPX2gQW+3
N4fgSqMpMCcwFAYDVR0RBA0wC4IJbG9jYWxob3N0MA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDRwAwRAIgVnwupsY2vwQ4AD6FM9yyVt9NISiMamJBYr1u0LIO
gXcCIG9o9wW4YRetf3uEQlUeEDsmJlTSnhZfjNxUzKkTI2j8
-----END CERTIFICATE-----`,
};

export interface Refusal {
  at: 'MAIL' | 'RCPT' | 'DATA';
  code: number;
  text: string;
}

export interface KeptLetter {
  raw: string;
  from: string;
  to: string[];
  isSecure: boolean;
}

export async function startKeeper(options: SMTPServerOptions = {}) {
  const letters: KeptLetter[] = [];
  /** Taken one by one, each by the first letter that comes to its place; then everything is accepted. */
  const refusals: Refusal[] = [];
  const refusalAt = (at: Refusal['at']) => {
    if (refusals[0]?.at !== at) return null;
    const refusal = refusals.shift();
    return refusal ? Object.assign(new Error(refusal.text), { responseCode: refusal.code }) : null;
  };
  let connections = 0;
  const server = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    logger: false,
    onAuth: ({ username, password }, _session, callback) =>
      (username === 'robot' && password === 'correct' ? callback(null, { user: username }) : callback(Object.assign(new Error('5.7.8 Bad credentials'), { responseCode: 535 }))),
    onConnect: (_session, callback) => {
      connections++;
      callback();
    },
    onMailFrom: (_address, _session, callback) => callback(refusalAt('MAIL')),
    onRcptTo: (_address, _session, callback) => callback(refusalAt('RCPT')),
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        letters.push({ raw: Buffer.concat(chunks).toString('latin1'), from: mailFrom ? mailFrom.address : '', to: rcptTo.map((to) => to.address), isSecure: session.secure });
        callback(refusalAt('DATA'));
      });
    },
    ...options,
  });
  // Clients that break off are part of the tests.
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    letters, refusals,
    port: (server.server.address() as AddressInfo).port,
    connections: () => connections,
    stop: () => new Promise<void>((resolve) => server.close(resolve)),
  };
}
