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
  // People
  'access.admin_only': 403,
  'sign_in.refused': 401,
  'sign_in.too_many': 429,
  'password.too_short': 400,
  'password.too_common': 400,
  'password.wrong': 400,
  'phone.invalid': 400,
  'employee.email_taken': 409,
  'employee.last_admin': 409,
  'employee.is_self': 409,
  'employee.no_replacement': 409,
  'department.cycle': 409,
  'department.not_empty': 409,
  'absence.ends_before_start': 400,
  'company.exists': 409,
  'setup.link_wrong': 403,
  'invitation.link_dead': 410,
  'invitation.pending': 409,
  'password.link_dead': 410,
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
  // CRM: configuration
  'item_type.is_system': 409,
  'item_type.has_items': 409,
  'item_type.code_taken': 409,
  'pipeline.is_default': 409,
  'pipeline.has_items': 409,
  'stage.has_items': 409,
  'stage.code_taken': 409,
  'stage.last_of_kind': 409,
  'stage.success_is_one': 409,
  'stage.order_invalid': 400,
  'stage.order_incomplete': 400,
  'field.item_type_missing': 400,
  'field.code_taken': 409,
  'field.code_reserved': 409,
  'field.type_fixed': 409,
  'field.not_multiple': 400,
  'field.not_indexable': 400,
  'field.options_missing': 400,
  'field.option_twice': 400,
  'field.option_unknown': 400,
  'field.stage_foreign': 400,
  // CRM: lists, timeline, clients, invoices
  'list.field_unknown': 400,
  'list.operator_invalid': 400,
  'list.value_missing': 400,
  'list.filters_invalid': 400,
  'list.sort_not_indexed': 400,
  'list.cursor_invalid': 400,
  'list.too_many': 409,
  'import.file_empty': 400,
  'import.too_many_rows': 400,
  'import.column_too_many': 400,
  'import.not_now': 409,
  'import.nothing_mapped': 400,
  'import.mapped_twice': 400,
  'import.target_unknown': 400,
  'import.cell_unreadable': 400,
  'import.stage_unknown': 400,
  'import.employee_unknown': 400,
  'import.employee_ambiguous': 400,
  'import.option_unknown': 400,
  'import.unreadable': 400,
  'comment.empty': 400,
  'comment.not_yours': 403,
  'client.name_missing': 400,
  'client.changed_meanwhile': 409,
  'invoice.amount_missing': 409,
  'invoice.already_paid': 409,
  'invoice.not_invoice': 409,
  // Drive
  'drive.name_taken': 409,
  'drive.name_invalid': 400,
  'drive.file_too_large': 413,
  'drive.upload_broken': 400,
  'drive.upload_offset': 409,
  'drive.piece_too_large': 413,
  'drive.too_many_uploads': 429,
  'drive.folder_into_itself': 409,
  'drive.folder_is_root': 409,
  'drive.folder_holds_others': 403,
  'drive.not_yours': 403,
  'drive.not_in_trash': 409,
  'drive.range_invalid': 416,
  'drive.bytes_gone': 500,
  // Deliveries, mail, SMS
  'delivery.not_decidable': 409,
  'delivery.worker_lost': 503,
  'delivery.waits_for_limit': 429,
  'delivery.gave_up': 502,
  'delivery.internal': 500,
  'mail.sender_missing': 409,
  'mail.secret_unreadable': 409,
  'mail.connection_failed': 422,
  'mail.sign_in_refused': 422,
  'mail.header_invalid': 400,
  'mail.address_invalid': 400,
  'mail.attachment_gone': 409,
  'mail.certificate_invalid': 422,
  'mail.tls_refused': 422,
  'mail.host_unknown': 422,
  'mail.connection_refused': 422,
  'mail.connection_timeout': 422,
  'mail.dkim_incomplete': 400,
  'mail.dkim_key_invalid': 400,
  'mail.bounce_unreadable': 400,
  'mail.too_large': 422,
  'mail.too_large_for_server': 422,
  'mail.mailbox_full': 422,
  'mail.recipient_refused': 422,
  'mail.sender_refused': 422,
  'mail.bounced': 422,
  'mail.paced': 429,
  'mail.server_busy': 503,
  'mail.rejected': 422,
  'mail.answer_lost': 502,
  'sms.provider_missing': 409,
  'sms.provider_type_unknown': 400,
  'sms.settings_invalid': 400,
  'sms.secret_unreadable': 409,
  'sms.phone_invalid': 400,
  'sms.private_host': 400,
  'sms.gateway_unreachable': 503,
  'sms.gateway_busy': 503,
  'sms.rejected': 422,
  'sms.answer_unclear': 502,
  'sms.answer_lost': 502,
  'sms.sign_in_refused': 422,
  'sms.no_money': 422,
  'sms.sender_refused': 422,
  'sms.number_refused': 422,
  'sms.text_refused': 422,
  'sms.too_often': 422,
  'sms.not_delivered': 422,
  'sms.settings_unusable': 409,
  'sms.secret_missing': 400,
  'sms.not_supported': 409,
  'sms.changed_meanwhile': 409,
  'sms.callback_refused': 403,
  'sms.balance_unknown': 502,
  // Chat, feed
  'chat.too_few_members': 400,
  'chat.member_dismissed': 409,
  'chat.partner_dismissed': 409,
  'chat.private_fixed': 409,
  'chat.not_member': 403,
  'chat.not_manager': 403,
  'chat.not_owner': 403,
  'chat.owner_stays': 409,
  'chat.message_empty': 400,
  'chat.message_not_yours': 403,
  'chat.message_of_robot': 403,
  'chat.too_many_pins': 409,
  'push.private_host': 400,
  'feed.post_not_yours': 403,
  'feed.post_of_robot': 403,
  'feed.post_not_important': 409,
  'feed.comment_not_yours': 403,
  'feed.comment_empty': 400,
  'feed.no_readers': 400,
  'live.not_websocket': 426,
  // Robots
  'robots.id_doubled': 400,
  'robots.id_foreign': 400,
  'robots.type_unknown': 400,
  'robots.sender_admin_only': 403,
  'robots.changed_meanwhile': 409,
  'robots.not_ready': 409,
  'robots.run_not_waiting': 409,
  'robots.run_not_failed': 409,
  'triggers.mover_admin_only': 403,
  'triggers.not_ready': 409,
  'triggers.item_elsewhere': 409,
  // The REST gateway
  'rest.scope_unknown': 400,
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
