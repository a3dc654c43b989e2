/** The methods of CRM, put together: they share what reads fields and filters. */
import { createEntities } from '../entities.ts';
import type { Method } from '../method.ts';
import type { FamilyDeps } from '../rest.ts';
import { categoryMethods } from './crm-category.ts';
import { legacyMethods } from './crm-entity.ts';
import { itemMethods } from './crm-item.ts';
import { linkMethods } from './crm-link.ts';
import { statusMethods } from './crm-status.ts';
import { timelineMethods } from './crm-timeline.ts';
import { userFieldMethods } from './crm-userfield.ts';
import { currencyMethods } from './currency.ts';

export function crmMethods(deps: FamilyDeps): Method[] {
  const entities = createEntities(deps);
  return [legacyMethods, linkMethods, itemMethods, categoryMethods, statusMethods, userFieldMethods, timelineMethods, currencyMethods].flatMap((family) => family(deps, entities));
}
