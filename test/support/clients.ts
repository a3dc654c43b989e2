/** Real clients of Bitrix24's REST, as their users install them. */
import * as bitrixModule from '@2bad/bitrix';
import type * as bitrixTypes from '@2bad/bitrix/build/main/bitrix.js';

export type BitrixClient = ReturnType<(typeof bitrixTypes)['default']['default']>;
const exported: unknown = bitrixModule;
// Its CommonJS build hangs the function one level deeper than its types say.
export const connectBitrix = [exported, (exported as { default?: unknown }).default, (exported as { default?: { default?: unknown } }).default?.default].find((one) => typeof one === 'function') as (url: string) => BitrixClient;
