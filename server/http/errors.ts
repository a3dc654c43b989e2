/**
 * Errors → answers. One of the two places that catch (the other is the worker of the jobs).
 * The kind decides: someone must act → its status; try again → 503; anything else → 500, logged once.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ErrorBody } from '../../shared/api/http.ts';
import { errorCodes, TransientError, UserError } from '../../shared/errors.ts';
import { errorMessage, hasText, isLanguage, type Language, text } from '../../shared/messages.ts';

/** zod's own texts, as a per-parse setting: its global one would be one language for everybody. */
const zodTexts = { ru: z.locales.ru().localeError, en: z.locales.en().localeError };

interface ValidationFailure {
  validationContext: 'body' | 'querystring' | 'params' | 'headers';
}

export interface ErrorDeps {
  now: () => Date;
  /** What to speak to somebody who names no language. */
  companyLanguage(): Promise<Language>;
}

export function createErrorAnswers({ companyLanguage, now }: ErrorDeps) {
  async function languageOf(request: FastifyRequest): Promise<Language> {
    // Null until somebody signed in, whatever the type says: routes that are not public never see that.
    const actor: { language: Language } | null = request.actor;
    if (actor) return actor.language;
    const accepted = acceptedLanguage(request.headers['accept-language']);
    if (accepted) return accepted;
    try {
      return await companyLanguage();
    } catch {
      // The database is away, which may be the very error we are about to tell.
      return 'en';
    }
  }

  async function send(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const language = await languageOf(request);
    const known = await understand(error, request, language);
    if (known instanceof TransientError) {
      request.log.warn({ err: known, route: request.routeOptions.url }, 'the request may be tried again');
      const waitSeconds = known.retryAt ? Math.ceil((known.retryAt.getTime() - now().getTime()) / 1000) : 1;
      reply.header('retry-after', Math.max(1, waitSeconds));
      return reply.code(503).send(body(language, new UserError(known.code)));
    }
    if (known instanceof UserError) {
      const waitSeconds = waitSecondsOf(known);
      if (waitSeconds !== undefined) reply.header('retry-after', waitSeconds);
      if (known.code === 'server.stopping') reply.header('retry-after', 5).header('connection', 'close');
      return reply.code(errorCodes[known.code]).send(body(language, known));
    }
    request.log.error({ err: error, route: request.routeOptions.url }, 'the request failed');
    return reply.code(500).send(body(language, new UserError('internal', { requestId: request.id })));
  }

  async function notFound(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const address = `${request.method} ${request.url.split('?', 1)[0]?.slice(0, 200)}`;
    return send(new UserError('request.not_found', { kind: 'address', id: address }), request, reply);
  }

  return { send, notFound };
}

/** Errors that pass by themselves name their wait in the unit that reads well. */
function waitSecondsOf({ code, params: { retryAfterSeconds, minutes } }: UserError): number | undefined {
  if (errorCodes[code] !== 429) return undefined;
  if (typeof retryAfterSeconds === 'number') return retryAfterSeconds;
  return typeof minutes === 'number' ? minutes * 60 : undefined;
}

function body(language: Language, error: UserError): ErrorBody {
  let { params } = error;
  if (error.code === 'request.invalid') {
    params = { field: error.path ?? text(language, 'http.problem.body'), problem: text(language, 'http.problem.unknown'), ...params };
  }
  // A problem may have been named by the key of a text, where the reader was not known yet.
  if (typeof params.problem === 'string' && hasText(params.problem)) params = { ...params, problem: text(language, params.problem) };
  const answer: ErrorBody = { code: error.code, message: errorMessage(language, error.code, params), params };
  if (error.path !== undefined) answer.path = error.path;
  return answer;
}

/** What a foreign error means in our table; the error itself when it means nothing there. */
async function understand(error: unknown, request: FastifyRequest, language: Language): Promise<unknown> {
  if (error instanceof UserError || error instanceof TransientError || !(error instanceof Error)) return error;
  if (isValidationFailure(error)) return invalidInput(error, request, language);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
  if (status === 413) {
    const bytes = request.routeOptions.bodyLimit ?? 0;
    return new UserError('request.too_large', { limit: readableBytes(bytes, language) });
  }
  if (status === 415 || status === 406) {
    return new UserError('request.unsupported_type', { mediaType: (request.headers['content-type'] ?? '').slice(0, 100) });
  }
  if (status >= 400 && status < 500) {
    const problem = fastifyProblems[code] ?? 'unknown';
    return new UserError('request.malformed', { problem: text(language, `http.problem.${problem}`) });
  }
  return error;
}

const fastifyProblems: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'body_size',
  FST_ERR_BAD_URL: 'url',
  FST_ERR_MAX_PARAM_LENGTH: 'url',
};

function isValidationFailure(error: Error): error is Error & ValidationFailure {
  return 'validation' in error && 'validationContext' in error;
}

/**
 * The validator ran before anybody knew the reader's language: the input is checked once more with
 * the texts of that language. Only requests that failed pay for it.
 */
function invalidInput(error: ValidationFailure, request: FastifyRequest, language: Language): UserError {
  const schema = request.routeOptions.schema?.[error.validationContext];
  const input = { body: request.body, querystring: request.query, params: request.params, headers: request.headers }[error.validationContext];
  const result = schema instanceof z.ZodType ? schema.safeParse(input, { error: zodTexts[language], reportInput: true }) : undefined;
  const issue = result?.error && deepest(result.error.issues);
  if (!issue) return new UserError('request.invalid');
  // Keys are whatever was sent: an answer does not grow with them.
  const path = [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])].join('.').slice(0, 200);
  return new UserError('request.invalid', { field: path || text(language, 'http.problem.body'), problem: problemOf(issue, language) }, path || undefined);
}

/** Inside a union the alternative that came closest says most: the fewest complaints, then the deepest. */
function deepest(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  const issue = issues[0];
  if (issue?.code !== 'invalid_union') return issue;
  const closest = issue.errors
    .filter((branch) => branch.length > 0)
    .sort((a, b) => Number(a[0]!.path.length === 0) - Number(b[0]!.path.length === 0) || a.length - b.length)[0];
  const inner = closest && deepest(closest);
  return inner && inner.path.length > 0 ? { ...inner, path: [...issue.path, ...inner.path] } : issue;
}

function problemOf(issue: z.core.$ZodIssue, language: Language): string {
  if (issue.code === 'invalid_type' && issue.input === undefined) return text(language, 'http.problem.required');
  if (issue.code === 'invalid_type') return text(language, 'http.problem.expected', { type: issue.expected });
  if (issue.code === 'unrecognized_keys') return text(language, 'http.problem.unknown_keys', { keys: issue.keys.slice(0, 10).map((key) => key.slice(0, 50)).join(', ') });
  // A contract may name one of our texts as its message.
  const message = text(language, issue.message);
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, '');
}

function readableBytes(bytes: number, language: Language): string {
  const isMegabytes = bytes >= 1024 * 1024;
  return new Intl.NumberFormat(language, { style: 'unit', unit: isMegabytes ? 'megabyte' : 'kilobyte', maximumFractionDigits: 1 }).format(
    bytes / (isMegabytes ? 1024 * 1024 : 1024),
  );
}

/** The reader's first choice among ours, by the weights of the header. */
export function acceptedLanguage(header: string | undefined): Language | undefined {
  if (!header) return undefined;
  let best: Language | undefined;
  let bestWeight = 0;
  for (const part of header.slice(0, 500).split(',')) {
    const [tag = '', ...options] = part.trim().toLowerCase().split(';');
    const language = tag.split('-', 1)[0] ?? '';
    const quality = options.map((option) => option.trim()).find((option) => option.startsWith('q='));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    if (isLanguage(language) && weight > bestWeight) {
      best = language;
      bestWeight = weight;
    }
  }
  return best;
}
