/**
 * Every page and its address. Pages are loaded when they are first opened, with the texts they name.
 * A page without `meta.isPublic` needs somebody signed in.
 */
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router';
import { ref } from 'vue';
import { loadMe, useSession, whenSessionOver } from './session.ts';
import { loadTexts, loadTextsAhead, t } from './text.ts';

declare module 'vue-router' {
  interface RouteMeta {
    /** Open to everybody, drawn without the shell. */
    isPublic?: boolean;
    /** A card: lies over the page one came from (shell/over.ts). */
    isOver?: boolean;
    /** Areas of locales/<language>/ that the page needs. */
    texts?: readonly string[];
    /** Key of the page's title; a page that knows better sets `pageTitle`. */
    title?: string;
  }
}

/** An id that stands in an address, if it is one. */
function idOf(text: unknown): number | undefined {
  const id = typeof text === 'string' ? Number(text) : 0;
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

const routes: RouteRecordRaw[] = [
  { path: '/sign-in', component: () => import('./pages/entry/sign-in.vue'), meta: { isPublic: true, title: 'web.sign_in.title' } },
  { path: '/setup/:token', component: () => import('./pages/entry/setup.vue'), meta: { isPublic: true, title: 'web.setup.page', texts: ['web-entry'] } },
  { path: '/join/:token', component: () => import('./pages/entry/join.vue'), meta: { isPublic: true, title: 'web.entry.join.short', texts: ['web-entry'] } },
  { path: '/forgot-password', component: () => import('./pages/entry/forgot-password.vue'), meta: { isPublic: true, title: 'web.entry.forgot.title', texts: ['web-entry'] } },
  { path: '/new-password/:token', component: () => import('./pages/entry/new-password.vue'), meta: { isPublic: true, title: 'web.entry.password.title', texts: ['web-entry'] } },
  {
    path: '/company',
    component: () => import('./pages/company/company.vue'),
    meta: { texts: ['web-company'], title: 'web.section.company' },
    children: [
      { path: '', redirect: '/company/structure' },
      { path: 'structure', component: () => import('./pages/company/structure.vue'), meta: { title: 'web.company.tab.structure' } },
      { path: 'employees', component: () => import('./pages/company/employees.vue'), meta: { title: 'web.company.tab.employees' } },
      { path: 'employees/:id(\\d+)', component: () => import('./pages/company/employee-page.vue'), meta: { title: 'web.company.tab.employees' } },
      { path: 'absences', component: () => import('./pages/company/absences.vue'), meta: { title: 'web.company.tab.absences' } },
      { path: 'calendar', component: () => import('./pages/settings/calendar.vue'), meta: { title: 'web.company.tab.calendar', texts: ['web-settings'] } },
    ],
  },
  {
    path: '/settings',
    component: () => import('./pages/settings/settings.vue'),
    meta: { texts: ['web-settings'], title: 'web.section.settings' },
    children: [
      { path: '', redirect: '/settings/profile' },
      { path: 'profile', component: () => import('./pages/settings/profile.vue'), meta: { title: 'web.settings.section.profile' } },
      { path: 'security', component: () => import('./pages/settings/security.vue'), meta: { title: 'web.settings.section.security' } },
      { path: 'tokens', component: () => import('./pages/settings/tokens.vue'), meta: { title: 'web.settings.section.tokens' } },
      { path: 'company', component: () => import('./pages/settings/company.vue'), meta: { title: 'web.settings.section.company' } },
      { path: 'calendar', component: () => import('./pages/settings/calendar.vue'), meta: { title: 'web.settings.section.calendar' } },
      { path: 'pipelines', component: () => import('./pages/settings/pipelines.vue'), meta: { title: 'web.settings.section.pipelines' } },
      { path: 'fields', component: () => import('./pages/settings/fields.vue'), meta: { title: 'web.settings.section.fields' } },
      { path: 'types', component: () => import('./pages/settings/types.vue'), meta: { title: 'web.settings.section.types' } },
      { path: 'access', component: () => import('./pages/settings/access.vue'), meta: { title: 'web.settings.section.access' } },
      { path: 'mail', component: () => import('./pages/channels/mail.vue'), meta: { title: 'web.settings.section.mail', texts: ['web-channels'] } },
      { path: 'sms', component: () => import('./pages/channels/sms.vue'), meta: { title: 'web.settings.section.sms', texts: ['web-channels'] } },
      { path: 'deliveries', component: () => import('./pages/channels/deliveries.vue'), meta: { title: 'web.settings.section.deliveries', texts: ['web-channels'] } },
      { path: 'budgets', component: () => import('./pages/channels/budgets.vue'), meta: { title: 'web.settings.section.budgets', texts: ['web-channels'] } },
      { path: 'health', component: () => import('./pages/health/health.vue'), meta: { title: 'web.settings.section.health', texts: ['web-health', 'web-channels'] } },
      { path: 'integrations', component: () => import('./pages/settings/integrations.vue'), meta: { title: 'web.settings.section.integrations' } },
    ],
  },
  { path: '/crm', component: () => import('./pages/crm/start.vue'), meta: { title: 'web.section.crm' } },
  { path: '/crm/:type/import', component: () => import('./pages/import/import.vue'), meta: { title: 'web.crm.import', texts: ['web-board'] } },
  { path: '/crm/:type/:view(list)?', component: () => import('./pages/crm/crm.vue'), meta: { title: 'web.section.crm', texts: ['web-board'] } },
  { path: '/', redirect: () => localStorage.getItem('vestnik.section') ?? '/crm' },
  { path: '/messenger/:chatId(\\d+)?', component: () => import('./pages/messenger/messenger.vue'), props: ({ params, query }) => ({ chatId: idOf(params.chatId), messageId: idOf(query.message), withId: idOf(query.with) }), meta: { texts: ['web-messenger', 'messaging'], title: 'web.section.messenger' } },
  { path: '/crm/:type/robots/journal', component: () => import('./pages/robot-journal/robot-journal.vue'), meta: { texts: ['web-runs'], title: 'web.runs.title' } },
  { path: '/runs/:runId(\\d+)', component: () => import('./pages/run/run.vue'), meta: { texts: ['web-runs'], title: 'web.runs.why_title' } },
  { path: '/crm/:type/robots', component: () => import('./pages/robots/robots.vue'), meta: { texts: ['web-robots', 'web-runs'], title: 'web.robots.robots' } },
  { path: '/crm/contacts', component: () => import('./pages/clients/clients-page.vue'), props: { kind: 'contact' }, meta: { title: 'web.clients.contacts', texts: ['web-card'] } },
  { path: '/crm/companies', component: () => import('./pages/clients/clients-page.vue'), props: { kind: 'company' }, meta: { title: 'web.clients.companies', texts: ['web-card'] } },
  { path: '/crm/contacts/:id(\\d+)', component: () => import('./pages/clients/client-page.vue'), props: ({ params }) => ({ kind: 'contact', id: Number(params.id) }), meta: { isOver: true, title: 'web.clients.contact', texts: ['web-card'] } },
  { path: '/crm/companies/:id(\\d+)', component: () => import('./pages/clients/client-page.vue'), props: ({ params }) => ({ kind: 'company', id: Number(params.id) }), meta: { isOver: true, title: 'web.clients.company', texts: ['web-card'] } },
  { path: '/crm/:type/item/:id(\\d+)', component: () => import('./pages/card/card-page.vue'), props: ({ params }) => ({ id: Number(params.id) }), meta: { isOver: true, title: 'web.card.title', texts: ['web-card'] } },
  { path: '/items/:id(\\d+)', component: () => import('./pages/card/card-page.vue'), props: ({ params }) => ({ id: Number(params.id) }), meta: { isOver: true, title: 'web.card.title', texts: ['web-card'] } },
  { path: '/drive/file/:fileId(\\d+)', component: () => import('./pages/drive/drive.vue'), meta: { title: 'web.section.drive', texts: ['web-drive'] } },
  { path: '/drive/:place(\\d+|trash)?', component: () => import('./pages/drive/drive.vue'), meta: { title: 'web.section.drive', texts: ['web-drive'] } },
  { path: '/feed/:postId(\\d+)?', component: () => import('./pages/feed/feed.vue'), props: ({ params, query }) => ({ postId: idOf(params.postId), tag: typeof query.tag === 'string' ? query.tag : '' }), meta: { texts: ['web-feed'], title: 'web.section.feed' } },
  { path: '/notifications', component: () => import('./pages/notifications/notifications.vue'), meta: { texts: ['web-bell'], title: 'web.shell.bell' } },
  { path: '/:rest(.*)*', component: () => import('./pages/not-found/not-found.vue'), meta: { title: 'web.not_found.title' } },
];

export const router = createRouter({ history: createWebHistory(), routes, scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 } });

/** What the tab shows: set by a page that knows more than its route («Кухня для Петровых»). */
export const pageTitle = ref<string | undefined>();
/** Unread things, in front of the title. */
export const titleCount = ref(0);

/** A page is on its way: the shell draws a thin line. */
export const isNavigating = ref(false);

/** Begins to load a page that is loaded lazily; what fails here fails again, and is told, where the page is opened. */
function bring(page: unknown): void {
  const loading: unknown = typeof page === 'function' && page.length === 0 ? page() : undefined;
  if (loading instanceof Promise) loading.catch(() => {});
}

router.beforeEach(async (to, from) => {
  if (from.path !== to.path) isNavigating.value = true;
  const texts = to.matched.flatMap((record) => record.meta.texts ?? []);
  // The page comes beside its texts, not after them.
  for (const record of to.matched) for (const page of Object.values(record.components ?? {})) bring(page);
  const { isSignedIn } = useSession();
  const isAsking = !to.meta.isPublic && !isSignedIn.value;
  const [me] = isAsking ? await Promise.all([loadMe(), loadTextsAhead(texts)]) : [];
  if (me !== null) {
    await loadTexts(texts);
    return true;
  }
  return { path: '/sign-in', query: to.fullPath === '/' ? {} : { to: to.fullPath } };
});
router.afterEach((to, from) => {
  isNavigating.value = false;
  if (to.path !== from.path) pageTitle.value = undefined;
  const [, section] = /^(\/(?:feed|messenger|crm|drive|company))/.exec(to.path) ?? [];
  if (section !== undefined) localStorage.setItem('vestnik.section', section);
});
router.onError(() => {
  isNavigating.value = false;
});

whenSessionOver(() => {
  const { fullPath } = router.currentRoute.value;
  if (!router.currentRoute.value.meta.isPublic) void router.push({ path: '/sign-in', query: { to: fullPath } });
});

export function documentTitle(): string {
  const { title } = router.currentRoute.value.meta;
  const name = pageTitle.value ?? (title === undefined ? undefined : t(title));
  const count = titleCount.value > 0 ? `(${titleCount.value > 99 ? '99+' : titleCount.value}) ` : '';
  return count + (name === undefined ? t('web.product') : t('web.title', { page: name }));
}
