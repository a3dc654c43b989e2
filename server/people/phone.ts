/** Telephone numbers: what a person typed → E.164. The only importer of libphonenumber-js. */
import { isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js';
import { UserError } from '../../shared/errors.ts';

/**
 * E.164 of a number written as people of the country write it («8 (916) 123-45-67» in RU is
 * +79161234567); null for empty input. An extension is refused: nothing can be sent to one.
 */
export function normalizePhone(typed: string | null | undefined, country: string, path?: string): string | null {
  const text = typed?.trim() ?? '';
  if (text === '') return null;
  const parsed = parsePhoneNumberFromString(text, isSupportedCountry(country) ? { defaultCountry: country, extract: false } : { extract: false });
  if (!parsed?.isValid() || parsed.ext) throw new UserError('phone.invalid', { phone: text }, path);
  return parsed.number;
}

export function isPhoneCountry(country: string): boolean {
  return isSupportedCountry(country);
}
