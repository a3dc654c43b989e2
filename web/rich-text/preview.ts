/** A text in one line, for lists: without markup, cut by the place it stands in. */
import { bbcodeToText } from '../../shared/bbcode.ts';

export function bbcodePreview(text: string): string {
  return bbcodeToText(text.slice(0, 2000)).replace(/\s+/g, ' ').trim();
}
