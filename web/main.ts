/** The page. What the kit's own plugin would start (a head, colours, icons) is made by tools/web-kit.ts while building. */
import 'virtual:colors.css';
import './main.css';
import { PiniaColada } from '@pinia/colada';
import { useDark } from '@vueuse/core';
import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './app.vue';
import { router } from './router.ts';

useDark();
createApp(App).use(createPinia()).use(PiniaColada, { queryOptions: { gcTime: 5 * 60_000 } }).use(router).mount('#app');
