/** im.*: the messenger, put together. */
import type { Method } from '../method.ts';
import type { FamilyDeps } from '../rest.ts';
import { chatMethods } from './im-chat.ts';
import { dialogMethods } from './im-dialog.ts';
import { notifyMethods } from './im-notify.ts';
import { recentMethods } from './im-recent.ts';

export function imMethods(deps: FamilyDeps): Method[] {
  return [chatMethods, dialogMethods, recentMethods, notifyMethods].flatMap((family) => family(deps));
}
