/**
 * The table of error codes: code → HTTP status. Every code has a message in every language under
 * `errors.<code>` in locales/<language>/<area>.json, naming the thing and the next step
 * (test/locales.test.ts checks both ways). Names in braces there are the params of the error.
 */
export const errorCodes = {
  // Any area
  internal: 500,
  'database.unavailable': 503,
  'request.invalid': 400,
  'request.malformed': 400,
  'request.not_found': 404,
  'request.too_large': 413,
  'request.too_many': 429,
  'request.wrong_origin': 403,
  'request.unsupported_type': 415,
  'server.stopping': 503,
  'auth.required': 401,
  // Items
  'access.denied': 403,
  'item.field_unknown': 400,
  'item.value_invalid': 400,
  'item.too_many_values': 400,
  'item.text_too_long': 400,
  'item.required_fields': 409,
  'item.stage_deleted': 409,
  'item.stage_foreign': 409,
  'item.no_stage': 409,
  'item.reference_unknown': 400,
  'item.employee_dismissed': 409,
  'item.changed_meanwhile': 409,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof errorCodes;
export type ErrorParams = Record<string, string | number | boolean | null | readonly string[]>;

/** Someone must act: wrong input, missing right, something not set up. Never retried, never reported. */
export class UserError extends Error {
  readonly code: ErrorCode;
  readonly params: ErrorParams;
  /** Where in the input the fault lies: 'stages.2.name'. */
  readonly path: string | undefined;
  constructor(code: ErrorCode, params: ErrorParams = {}, path?: string) {
    super(code);
    this.name = 'UserError';
    this.code = code;
    this.params = params;
    this.path = path;
  }
}

/** Try again: the other side is busy or away. Retried with backoff; HTTP 503. */
export class TransientError extends Error {
  readonly code: ErrorCode;
  readonly retryAt: Date | undefined;
  constructor(code: ErrorCode, options: { cause?: unknown; retryAt?: Date } = {}) {
    super(code, { cause: options.cause });
    this.name = 'TransientError';
    this.code = code;
    this.retryAt = options.retryAt;
  }
}
