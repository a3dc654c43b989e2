/** Who is signed in, and the company. Loaded once before the first page behind the sign-in; renewed when it changes. */
import { computed, shallowRef } from 'vue';
import type { z } from 'zod';
import type { meResponse } from '../shared/api/people.ts';
import { api, ApiError, whenSignedOut } from './api.ts';
import type { Json } from './json.ts';
import { listen, startLive, stopLive } from './live.ts';
import { setLanguage } from './text.ts';

export type Me = Json<z.output<typeof meResponse>>;

const me = shallowRef<Me | null>(null);
/** What the pages that are still on the screen show while the sign-in page comes. */
let lastMe: Me | undefined;
let stopListening = (): void => {};

/** Everything that was kept for the person goes when somebody else signs in. */
const forgetters = new Set<() => void>();
export function onForget(forget: () => void): void {
  forgetters.add(forget);
}

/** The person, or null when nobody is signed in. Other errors are thrown. */
export async function loadMe(): Promise<Me | null> {
  try {
    const answer = await api.get<Me>('/api/me');
    await setLanguage(answer.employee.language);
    const isAnother = me.value?.employee.id !== answer.employee.id;
    lastMe = answer;
    me.value = answer;
    if (isAnother) {
      stopListening();
      startLive(signedOut);
      const offMine = listen(`employee:${answer.employee.id}`, (hint) => {
        if (hint.what === 'profile' || hint.what === 'resync') void loadMe();
      });
      const offCompany = listen('company', (hint) => {
        if (hint.what === 'people' || hint.what === 'resync') void loadMe();
      });
      stopListening = () => (offMine(), offCompany());
    }
    return answer;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'auth.required') return null;
    throw error;
  }
}

let onOver = (): void => {};
export function whenSessionOver(listener: () => void): void {
  onOver = listener;
}

function signedOut(): void {
  if (me.value === null) return;
  forget();
  onOver();
}
whenSignedOut(signedOut);

function forget(): void {
  me.value = null;
  stopListening();
  stopLive();
  for (const one of forgetters) one();
}

export async function signIn(email: string, password: string): Promise<void> {
  await api.post('/api/session', { email, password });
  await loadMe();
}

export async function signOut(): Promise<void> {
  await api.del('/api/session');
  forget();
}

function somebody(): Me {
  const known = me.value ?? lastMe;
  if (!known) throw new Error('Nobody has signed in here.');
  return known;
}

/** For pages behind the sign-in, where there always is somebody. */
export function useSession() {
  return {
    me: computed(() => somebody().employee),
    company: computed(() => somebody().company),
    isAdmin: computed(() => (me.value ?? lastMe)?.employee.isAdmin ?? false),
    isSignedIn: computed(() => me.value !== null),
  };
}

/** Language and time zone in which dates are read; the browser's own before anybody signed in. */
export const timeZone = computed(() => me.value?.employee.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
