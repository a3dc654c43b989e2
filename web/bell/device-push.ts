/** Push on this device: whether the browser can, whether the person wants, and the way between. */
import { computed, ref, shallowRef } from 'vue';
import type { z } from 'zod';
import type { pushDevices, pushKey } from '../../shared/api/push.ts';
import { api, messageOf } from '../api.ts';
import type { Json } from '../json.ts';
import { router } from '../router.ts';
import { t } from '../text.ts';

export type Device = Json<z.output<typeof pushDevices>>['items'][number];

const canPush = 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window;

/** The worker takes clicks on what it showed back to an open tab. */
export async function startServiceWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  navigator.serviceWorker.addEventListener('message', ({ data }) => {
    if (typeof data === 'object' && data !== null && data.kind === 'open' && typeof data.path === 'string') void router.push(data.path);
  });
  try {
    await navigator.serviceWorker.register('/service-worker.js');
  } catch {
    // Private windows of some browsers forbid it: then there is no push, and nothing else is missing.
  }
}

function bytesOf(key: string): Uint8Array<ArrayBuffer> {
  const text = atob(key.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (sign) => sign.charCodeAt(0));
}
function isSameKey(a: ArrayBuffer | null | undefined, b: Uint8Array): boolean {
  return a !== null && a !== undefined && a.byteLength === b.byteLength && new Uint8Array(a).every((byte, i) => byte === b[i]);
}

/** Before signing out: whoever sits here next is not told what was meant for this person. */
export async function forgetThisDevice(): Promise<void> {
  try {
    const registration = canPush ? await navigator.serviceWorker.getRegistration() : undefined;
    const subscription = await registration?.pushManager.getSubscription();
    if (!subscription) return;
    const { items } = await api.get<{ items: Device[] }>('/api/push/devices');
    const mine = items.find((device) => device.endpoint === subscription.endpoint);
    await Promise.allSettled([subscription.unsubscribe(), mine && api.del(`/api/push/devices/${mine.id}`)]);
  } catch {
    // Signing out goes on whatever the browser says; a device that is gone is forgotten by the server in time.
  }
}

export function useDevicePush() {
  const devices = shallowRef<Device[]>([]);
  const endpoint = ref<string>();
  const permission = ref(canPush ? Notification.permission : 'denied');
  const isBusy = ref(false);
  const problem = ref<string>();

  async function load(): Promise<void> {
    devices.value = (await api.get<{ items: Device[] }>('/api/push/devices')).items;
    const registration = canPush ? await navigator.serviceWorker.getRegistration() : undefined;
    endpoint.value = (await registration?.pushManager.getSubscription())?.endpoint;
  }

  async function attempt(work: () => Promise<void>): Promise<void> {
    isBusy.value = true;
    problem.value = undefined;
    try {
      await work();
      await load();
    } catch (error) {
      problem.value = error instanceof DOMException ? t('web.bell.push_refused') : messageOf(error);
    } finally {
      isBusy.value = false;
    }
  }

  const turnOn = (): Promise<void> => attempt(async () => {
    permission.value = await Notification.requestPermission();
    if (permission.value !== 'granted') return;
    const registration = await navigator.serviceWorker.ready;
    const key = bytesOf((await api.get<Json<z.output<typeof pushKey>>>('/api/push/key')).publicKey);
    const old = await registration.pushManager.getSubscription();
    // Made for another installation, or before the keys were renewed.
    if (old && !isSameKey(old.options.applicationServerKey, key)) await old.unsubscribe();
    const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const { endpoint: address, keys } = subscription.toJSON();
    await api.post('/api/push/devices', { endpoint: address, keys });
  });

  const forget = (device: Device): Promise<void> => attempt(async () => {
    if (device.endpoint === endpoint.value) await (await (await navigator.serviceWorker.ready).pushManager.getSubscription())?.unsubscribe();
    await api.del(`/api/push/devices/${device.id}`);
  });

  return {
    canPush, isSecure: window.isSecureContext, devices, permission, isBusy, problem, load, turnOn, forget,
    isOnHere: computed(() => devices.value.some((device) => device.endpoint === endpoint.value)),
    isThis: (device: Device): boolean => device.endpoint === endpoint.value,
    test: () => attempt(() => api.post('/api/push/test')),
  };
}
