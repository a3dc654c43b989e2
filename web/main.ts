/** The page: texts of the guessed language, then the application. */
import './main.css';
import ui from '@nuxt/ui/vue-plugin';
import { PiniaColada } from '@pinia/colada';
import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './app.vue';
import { router } from './router.ts';
import { language, setLanguage } from './text.ts';

await setLanguage(language.value);
createApp(App).use(createPinia()).use(PiniaColada, { queryOptions: { gcTime: 5 * 60_000 } }).use(router).use(ui).mount('#app');
