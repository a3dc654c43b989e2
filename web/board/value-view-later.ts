/** How a value reads, for fields that somebody chose for the cards besides the usual ones. */
import { defineAsyncComponent } from 'vue';

export const ValueView = defineAsyncComponent(() => import('../values/value-view.vue'));
