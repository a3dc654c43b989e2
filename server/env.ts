/**
 * Every environment variable, parsed once. Nobody else reads `process.env`.
 * docs/operations.md lists the same variables; a test compares the two.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';

/** `about`: one sentence for the administrator. `fallback`: what happens when it is not set. `expected` ends the sentence "… must be". */
interface Variable<Value> {
  about: string;
  fallback: string;
  expected: string;
  schema: z.ZodType<Value, string | undefined>;
}

const services = ['web', 'worker'] as const;
export type Service = (typeof services)[number];

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const wholeNumber = (min: number, max: number) =>
  z.string().regex(/^\d{1,9}$/).transform(Number).pipe(z.number().min(min).max(max));

const urlWith = (protocols: readonly string[]) => z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol));

/** Fastify's `trustProxy`: whose X-Forwarded-* headers are believed. */
const trustProxy = z.string().transform((text, context): boolean | string[] => {
  if (text === 'off' || text === 'on') return text === 'on';
  const addresses = text.split(',').map((part) => part.trim());
  if (addresses.every(isNetwork)) return addresses;
  context.addIssue({ code: 'custom' });
  return false;
});

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  return version !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)));
}

/** In the order in which docs/operations.md lists them. */
export const variables = {
  PORT: {
    about: 'The port of the web server; 0 takes any free one.',
    fallback: '3000',
    expected: 'a number from 0 to 65535',
    schema: wholeNumber(0, 65_535).default(3000),
  },
  HOST: {
    about: 'The address the web server listens on; 0.0.0.0 means every network of this machine.',
    fallback: '127.0.0.1',
    expected: 'an IP address or a host name',
    schema: z.string().regex(/^[\w.:-]+$/).default('127.0.0.1'),
  },
  PUBLIC_URL: {
    about: 'Where people reach Vestnik; links in letters and messages begin with it, and browsers may connect only from there.',
    fallback: 'http://HOST:PORT',
    expected: 'an address such as https://crm.example.com, without a path',
    schema: urlWith(['http:', 'https:'])
      // The path is looked at only in what is an address.
      .refine((text) => !URL.canParse(text) || (new URL(text).pathname === '/' && !/[?#]/.test(text)))
      .transform((text): string | null => (URL.canParse(text) ? new URL(text).origin : null))
      .default(null),
  },
  TLS_CERT: {
    about: 'The file of a certificate with its chain (PEM): then Vestnik speaks TLS itself. SIGHUP reads it anew.',
    fallback: 'no TLS',
    expected: 'a path, together with TLS_KEY',
    schema: z.string().transform((path): string | null => resolve(path)).default(null),
  },
  TLS_KEY: {
    about: 'The file of the private key of TLS_CERT (PEM).',
    fallback: 'no TLS',
    expected: 'a path, together with TLS_CERT',
    schema: z.string().transform((path): string | null => resolve(path)).default(null),
  },
  REST_REQUESTS_PER_SECOND: {
    about: 'Requests per second of one webhook or application in the REST gateway, with bursts of 25 times as many; 0: no limit.',
    fallback: '0',
    expected: 'a number from 0 to 100000',
    schema: wholeNumber(0, 100_000).default(0),
  },
  REST_OPERATING_SECONDS: {
    about: 'Seconds that one method of the REST gateway may take one webhook or application within ten minutes; 0: no limit.',
    fallback: '0',
    expected: 'a number from 0 to 600',
    schema: wholeNumber(0, 600).default(0),
  },
  TRUST_PROXY: {
    about: 'Whose X-Forwarded-* headers are believed: the addresses of your reverse proxies, on (anybody) or off (nobody).',
    fallback: 'off',
    expected: 'on, off, or addresses and networks separated by commas, such as 127.0.0.1,10.0.0.0/8',
    schema: trustProxy.default(false),
  },
  DATA_DIR: {
    about: 'The directory of everything Vestnik keeps: the embedded database, files, the secret.',
    fallback: './data',
    expected: 'a path',
    schema: z.string().default('./data').transform((path) => resolve(path)),
  },
  DATABASE_URL: {
    about: 'A PostgreSQL server (15 or newer) to use instead of the embedded one.',
    fallback: 'the embedded server in DATA_DIR',
    expected: 'an address such as postgres://user:password@host:5432/database',
    schema: urlWith(['postgres:', 'postgresql:']).transform((url): string | null => url).default(null),
  },
  DATABASE_POOL_SIZE: {
    about: 'How many database connections one Vestnik process keeps at most.',
    fallback: '20',
    expected: 'a number from 2 to 500',
    schema: wholeNumber(2, 500).default(20),
  },
  MAX_FILE_MB: {
    about: 'The largest file people may upload, in megabytes.',
    fallback: '1024',
    expected: 'a number from 1 to 1000000',
    schema: wholeNumber(1, 1_000_000).default(1024),
  },
  ALLOWED_PRIVATE_HOSTS: {
    about: 'Hosts inside your network that applications may be called at; all others must have public addresses.',
    fallback: 'none',
    expected: 'host names or IP addresses separated by commas, such as crm-bot.office.example.com,10.0.0.5',
    schema: z.string().regex(/^[\w.:,\s-]*$/).transform((text) => text.split(',').map((part) => part.trim().toLowerCase()).filter((part) => part !== '')).default([]),
  },
  SERVICES: {
    about: 'What this process does: web answers people, worker runs robots and sends mail and SMS.',
    fallback: 'web,worker',
    expected: 'web, worker, or both separated by a comma',
    schema: z
      .string()
      .transform((text) => text.split(',').map((part) => part.trim()))
      .pipe(z.array(z.enum(services)).min(1))
      .transform((list): readonly Service[] => services.filter((service) => list.includes(service)))
      .default(services),
  },
  VESTNIK_SECRET: {
    about: 'Encrypts the passwords of mail and SMS providers and signs links; processes that share a database share it.',
    fallback: 'made once, in DATA_DIR/secret',
    expected: 'at least 32 characters, such as the output of openssl rand -hex 32',
    schema: z.string().min(32).transform((text): string | null => text).default(null),
  },
  LOG_LEVEL: {
    about: 'The least important kind of line that is still logged.',
    fallback: 'info',
    expected: `one of ${logLevels.join(', ')}`,
    schema: z.enum(logLevels).default('info'),
  },
} satisfies Record<string, Variable<unknown>>;

type Value<Name extends keyof typeof variables> = z.output<(typeof variables)[Name]['schema']>;

export interface Env {
  readonly port: number;
  readonly host: string;
  /** Without a slash at the end. */
  readonly publicUrl: string;
  /** Paths of certificate and key; null: no TLS. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly restLimits: { readonly requestsPerSecond: number; readonly operatingSeconds: number };
  readonly trustProxy: boolean | readonly string[];
  /** Absolute. */
  readonly dataDir: string;
  /** Null: the embedded server. */
  readonly databaseUrl: string | null;
  readonly databasePoolSize: number;
  readonly maxFileMb: number;
  readonly allowedPrivateHosts: readonly string[];
  readonly services: readonly Service[];
  readonly secret: string;
  readonly logLevel: Value<'LOG_LEVEL'>;
}

/**
 * Throws one sentence per bad variable. A variable set to nothing counts as not set.
 * Makes DATA_DIR and the secret in it when VESTNIK_SECRET is not set.
 */
export function readEnv(source: Record<string, string | undefined> = process.env): Env {
  const faults: string[] = [];
  function read<Output>(name: string, { schema, expected }: Variable<Output>): Output | undefined {
    const text = source[name]?.trim();
    const parsed = schema.safeParse(text === '' ? undefined : text);
    if (parsed.success) return parsed.data;
    // A secret is not repeated into a log, nor is the password inside a URL.
    faults.push(/SECRET|_URL$/.test(name) ? `${name} must be ${expected}.` : `${name} is "${text}" but must be ${expected}.`);
    return undefined;
  }
  const port = read('PORT', variables.PORT);
  const host = read('HOST', variables.HOST);
  const publicUrl = read('PUBLIC_URL', variables.PUBLIC_URL);
  const certFile = read('TLS_CERT', variables.TLS_CERT);
  const keyFile = read('TLS_KEY', variables.TLS_KEY);
  if ((certFile === null) !== (keyFile === null)) faults.push('TLS_CERT and TLS_KEY go together: set both or none.');
  const requestsPerSecond = read('REST_REQUESTS_PER_SECOND', variables.REST_REQUESTS_PER_SECOND);
  const operatingSeconds = read('REST_OPERATING_SECONDS', variables.REST_OPERATING_SECONDS);
  const trust = read('TRUST_PROXY', variables.TRUST_PROXY);
  const dataDir = read('DATA_DIR', variables.DATA_DIR);
  const databaseUrl = read('DATABASE_URL', variables.DATABASE_URL);
  const databasePoolSize = read('DATABASE_POOL_SIZE', variables.DATABASE_POOL_SIZE);
  const maxFileMb = read('MAX_FILE_MB', variables.MAX_FILE_MB);
  const allowedPrivateHosts = read('ALLOWED_PRIVATE_HOSTS', variables.ALLOWED_PRIVATE_HOSTS);
  const chosen = read('SERVICES', variables.SERVICES);
  const secret = read('VESTNIK_SECRET', variables.VESTNIK_SECRET);
  const logLevel = read('LOG_LEVEL', variables.LOG_LEVEL);
  if (
    faults.length > 0 || certFile === undefined || keyFile === undefined || requestsPerSecond === undefined || operatingSeconds === undefined ||
    port === undefined || host === undefined || publicUrl === undefined || trust === undefined || dataDir === undefined || databaseUrl === undefined ||
    databasePoolSize === undefined || maxFileMb === undefined || allowedPrivateHosts === undefined || chosen === undefined || secret === undefined || logLevel === undefined
  ) {
    throw new Error(faults.join('\n'));
  }
  return {
    port,
    host,
    publicUrl: publicUrl ?? `${certFile ? 'https' : 'http'}://${urlHost(host)}:${port}`,
    tls: certFile !== null && keyFile !== null ? { certFile, keyFile } : null,
    restLimits: { requestsPerSecond, operatingSeconds },
    trustProxy: trust,
    dataDir,
    databaseUrl,
    databasePoolSize,
    maxFileMb,
    allowedPrivateHosts,
    services: chosen,
    secret: secret ?? keptSecret(dataDir),
    logLevel,
  };
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return isIP(host) === 6 ? `[${host}]` : host;
}

/** Made once; two first starts at the same moment end up with the same one. */
function keptSecret(dataDir: string): string {
  const file = join(dataDir, 'secret');
  const draft = `${file}.${process.pid}`;
  try {
    // Open to traverse: the embedded database may have to run as another user.
    mkdirSync(dataDir, { recursive: true, mode: 0o711 });
    const kept = readOrNull(file);
    if (kept !== null) return kept;
    writeFileSync(draft, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flush: true });
    try {
      linkSync(draft, file);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    const made = readOrNull(file);
    if (made !== null) return made;
  } catch (error) {
    throw new Error(`Cannot keep the secret in ${file}. Make DATA_DIR writable for this user, or set VESTNIK_SECRET.`, { cause: error });
  }
  throw new Error(`${file} holds no secret of at least 32 characters. Restore it from a backup; without one, remove it and enter the passwords of mail and SMS providers again.`);
}

/** Null: there is no file. An empty or short one is an error for the caller to find. */
function readOrNull(file: string): string | null {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return text.length >= 32 ? text : null;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
