/**
 * What callers are told: Bitrix24's codes, texts and statuses. A code may be empty: that is what the CRM methods
 * of Bitrix24 answer, and clients tell such errors apart by their text.
 */
import { type ErrorCode, TransientError, UserError } from '../../shared/errors.ts';
import { errorMessage, type Language } from '../../shared/messages.ts';

export class RestError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, description: string, status = 400) {
    super(description);
    this.name = 'RestError';
    this.code = code;
    this.status = status;
  }
}

export const methodNotFound = () => new RestError('ERROR_METHOD_NOT_FOUND', 'Method not found!', 404);
export const accessDenied = (description = 'Access denied!') => new RestError('ACCESS_DENIED', description, 403);
export const applicationRequired = () => accessDenied('Application context required');
export const argumentMissing = (name: string) => new RestError('100', `Could not find value for parameter {${name}}`);
export const malformed = (description: string, status = 400) => new RestError('INVALID_REQUEST', description, status);
export const tooManyRequests = () => new RestError('QUERY_LIMIT_EXCEEDED', 'Too many requests', 503);

/** For `.catch()`: what is not there, or is not the caller's to see, is null; other errors stay errors. */
export function nothingIfUnknown(error: unknown): null {
  if (error instanceof UserError && error.code === 'request.not_found') return null;
  throw error;
}

/** How a family of methods says what ours says otherwise. `undefined` leaves it to the general rule. */
export type Translate = (error: UserError, message: string) => RestError | undefined;

const statuses: Partial<Record<ErrorCode, number>> = { 'request.too_large': 413, 'drive.range_invalid': 416, 'server.stopping': 503 };

/** The answer to any error; null: our fault, to be reported. */
export function toRestError(error: unknown, language: Language, translate?: Translate): RestError | null {
  if (error instanceof RestError) return error;
  if (error instanceof TransientError) return new RestError('OVERLOAD_LIMIT', 'The server is busy or restarting. Repeat the request in a second.', 503);
  if (!(error instanceof UserError)) return null;
  const message = errorMessage(language, error.code, error.params);
  const special = translate?.(error, message);
  if (special) return special;
  if (error.code === 'request.not_found') return new RestError('ERROR_NOT_FOUND', message);
  if (error.code === 'access.denied' || error.code === 'access.admin_only') return new RestError('ACCESS_DENIED', message, 403);
  if (error.code === 'request.too_many') return tooManyRequests();
  if (error.code === 'server.stopping') return new RestError('OVERLOAD_LIMIT', message, 503);
  return new RestError('ERROR_CORE', message, statuses[error.code] ?? 400);
}

/** Old CRM methods: an empty code, and the texts of the documentation. */
export const crmErrors: Translate = (error, message) => {
  if (error.code === 'request.not_found') return new RestError('', 'Not found');
  if (error.code === 'access.denied' || error.code === 'access.admin_only') return new RestError('', 'Access denied.');
  return new RestError('', message);
};

/** crm.item.* and what came with it. */
export const itemErrors: Translate = (error, message) => {
  switch (error.code) {
    case 'request.not_found': return new RestError('NOT_FOUND', 'Item not found');
    case 'access.denied':
    case 'access.admin_only': return new RestError('ACCESS_DENIED', 'Access denied');
    case 'item.value_invalid':
    case 'item.text_too_long':
    case 'item.too_many_values':
    case 'item.reference_unknown': return new RestError('CRM_FIELD_ERROR_VALUE_NOT_VALID', message);
    case 'item.required_fields': return new RestError('CRM_FIELD_ERROR_REQUIRED', message);
    case 'list.field_unknown':
    case 'list.operator_invalid':
    case 'list.value_missing': return new RestError('INVALID_ARG_VALUE', message);
    default: return undefined;
  }
};
