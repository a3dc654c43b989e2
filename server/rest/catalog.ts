/** Every family of methods; a family that is not here does not exist. */
import type { Method } from './method.ts';
import type { FamilyDeps } from './rest.ts';
import { crmMethods } from './methods/crm.ts';
import { appMethods } from './methods/app.ts';
import { automationMethods } from './methods/automation.ts';
import { bizprocMethods } from './methods/bizproc.ts';
import { diskMethods } from './methods/disk.ts';
import { eventMethods } from './methods/event.ts';
import { imMethods } from './methods/im.ts';
import { logMethods } from './methods/log.ts';
import { messageserviceMethods } from './methods/messageservice.ts';
import { systemMethods } from './methods/system.ts';
import { userMethods } from './methods/user.ts';

export const methodFamilies: readonly ((deps: FamilyDeps) => Method[])[] = [
  systemMethods, appMethods, userMethods, crmMethods, automationMethods, bizprocMethods, eventMethods, messageserviceMethods,
  imMethods, logMethods, diskMethods,
];

/** What credentials can be limited to. Those without methods here are accepted: an integration may ask for more than it uses. */
export const knownScopes = [
  'basic', 'bizproc', 'crm', 'department', 'disk', 'entity', 'humanresources', 'im', 'imbot', 'log', 'mailservice', 'messageservice', 'placement', 'sonet_group', 'task',
  'telephony', 'user', 'user.userfield', 'user_basic', 'user_brief', 'userfieldconfig',
] as const;
