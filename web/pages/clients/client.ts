/** A contact or a company: loaded, kept fresh by the live line, changed, deleted. */
import { useQuery, useQueryCache } from '@pinia/colada';
import { computed } from 'vue';
import { useRouter } from 'vue-router';
import type { z } from 'zod';
import type { company, contact } from '../../../shared/api/crm.ts';
import { api } from '../../api.ts';
import { useCrmConfig } from '../../crm-config.ts';
import type { Json } from '../../json.ts';
import { useLive } from '../../live.ts';
import { t } from '../../text.ts';
import { useSay } from '../../ui/say.ts';
import { clientSystemFields, type FieldShape, shapeOf } from '../../values/fields.ts';
import { useNames } from '../../values/names.ts';
import { createVersionedWriter } from '../../card/versioned.ts';

export type ClientKind = 'contact' | 'company';
export type Contact = Json<z.output<typeof contact>>;
export type Company = Json<z.output<typeof company>>;
export type Client = Contact | Company;

export const pathOf = (kind: ClientKind): string => (kind === 'contact' ? '/crm/contacts' : '/crm/companies');
const apiOf = (kind: ClientKind): string => (kind === 'contact' ? '/api/contacts' : '/api/companies');

export function nameOfClient(client: Client): string {
  if ('title' in client) return client.title;
  return [client.lastName, client.firstName, client.secondName].filter((part) => part !== '').join(' ') || client.phones[0] || client.emails[0] || '—';
}

/** Fields of clients, own ones included, in the order of the card. */
export function useClientFields(kind: () => ClientKind) {
  const { clientFields } = useCrmConfig();
  return computed<FieldShape[]>(() => [...clientSystemFields(kind()), ...clientFields(kind()).map(shapeOf)]);
}

/** How a client is written; for cards and for cells of lists alike. */
export function useClientWriter(kind: () => ClientKind, current: () => Client | undefined, put: (changed: Client) => void) {
  const say = useSay();
  const { remember } = useNames();
  const address = () => `${apiOf(kind())}/${current()?.id}`;
  const keep = (changed: Client) => {
    put(changed);
    remember(kind(), { id: changed.id, name: nameOfClient(changed) });
  };
  const { conflict, write } = createVersionedWriter<Client>({
    current,
    fresh: async () => {
      const now = await api.get<Client>(address());
      keep(now);
      return now;
    },
    patch: (body, version) => api.patch<Client>(address(), { ...body, version }),
    put: keep,
    // Clients keep no history.
    whoWrote: async () => undefined,
  });
  /** Texts of a client are never null: an empty one is ''. */
  const stored = (field: FieldShape, value: unknown): unknown => (field.isSystem && value === null && !field.code.endsWith('Id') ? '' : value);
  async function save(field: FieldShape, value: unknown, base: unknown): Promise<void> {
    if ((await write(field, stored(field, value), base)) === 'theirs') return;
    say.done(t('web.card.saved', { field: field.name }), {
      undo: async () => {
        try {
          await write(field, stored(field, base), stored(field, value));
        } catch (error) {
          say.failed(error);
        }
      },
    });
  }
  return { conflict, save };
}

export function useClient(kind: () => ClientKind, id: () => number) {
  const cache = useQueryCache();
  const router = useRouter();
  const say = useSay();
  const key = () => ['client', kind(), id()];
  const query = useQuery({ key, query: () => api.get<Client>(`${apiOf(kind())}/${id()}`) });
  const client = computed(() => (query.data.value?.id === id() ? query.data.value : undefined));
  useLive('company', (hint) => {
    if (hint.what === 'clients' || hint.what === 'resync') cache.invalidateQueries({ key: ['client'] }).catch(() => {});
  });
  const { conflict, save } = useClientWriter(kind, () => client.value, (changed) => cache.setQueryData(key(), changed));

  async function remove(): Promise<boolean> {
    const gone = client.value;
    if (!gone) return false;
    const address = `${apiOf(kind())}/${gone.id}`;
    const page = `${pathOf(kind())}/${gone.id}`;
    try {
      await api.del(address);
    } catch (error) {
      say.failed(error);
      return false;
    }
    say.done(t('web.card.deleted', { title: nameOfClient(gone) }), {
      undo: async () => {
        try {
          await api.post(`${address}/restore`);
          cache.invalidateQueries({ key: ['client'] }).catch(() => {});
          await router.push(page);
        } catch (error) {
          say.failed(error);
        }
      },
    });
    return true;
  }
  return { client, error: query.error, conflict, save, remove, reload: () => void query.refetch() };
}
