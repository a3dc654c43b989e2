/** The methods of CRM, put together: they share what reads fields and filters. */
import { createEntities } from '../entities.ts';
import type { Method } from '../method.ts';
import type { FamilyDeps } from '../rest.ts';
import { legacyMethods } from './crm-entity.ts';
import { itemMethods } from './crm-item.ts';

export function crmMethods(deps: FamilyDeps): Method[] {
  const entities = createEntities(deps);
  return [...legacyMethods(deps, entities), ...itemMethods(deps, entities)];
}
