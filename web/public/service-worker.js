/**
 * Shows what the server pushes while no tab of ours is looked at, and opens the place it is about. A script of its own: browsers
 * keep it apart from the page, so it imports nothing. What comes in is PushPayload of shared/api/push.ts.
 */

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

async function show(payload) {
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  // Whoever looks at a tab of ours has seen it there.
  if (windows.some((one) => one.visibilityState === 'visible' && one.focused)) return;
  await self.registration.showNotification(payload.title, {
    body: payload.body, tag: payload.tag, icon: '/icon.svg', badge: '/icon.svg', data: { path: payload.path }, renotify: payload.tag.startsWith('chat-'),
  });
}

self.addEventListener('push', (event) => {
  let payload;
  try {
    payload = event.data.json();
  } catch {
    return;
  }
  if (typeof payload.title === 'string' && typeof payload.tag === 'string') event.waitUntil(show(payload));
});

async function open(path) {
  const { origin } = self.location;
  // Only ours: what was pushed names a place within the product.
  const target = new URL(path, origin);
  const url = target.origin === origin ? target.href : origin;
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const [found] = windows;
  if (found) {
    await found.focus();
    // To a window of ours, which no other origin can hear.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    found.postMessage({ kind: 'open', path: url.slice(origin.length) });
  } else await self.clients.openWindow(url);
}

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(String(event.notification.data?.path ?? '/notifications')));
});

/** The service changed the address by itself: the server learns the new one. */
async function renew(event) {
  const subscription = event.newSubscription ?? (await self.registration.pushManager.subscribe(event.oldSubscription.options));
  const { endpoint, keys } = subscription.toJSON();
  await fetch('/api/push/devices', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ endpoint, keys }) });
}
self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(renew(event)));
