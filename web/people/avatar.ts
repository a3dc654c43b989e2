/** The mark of a person: the photo over the initials, on a colour of his own. Bare elements: boards and chats draw hundreds. */
import { type FunctionalComponent, h } from 'vue';
import { type Employee, nameOf, photoUrl } from '../directory.ts';

export type AvatarSize = '3xs' | '2xs' | 'xs' | 'sm' | 'md' | 'lg' | 'xl' | '2xl' | '3xl';

const sizes: Readonly<Record<AvatarSize, string>> = {
  '3xs': 'size-4 text-[8px]', '2xs': 'size-5 text-[10px]', xs: 'size-6 text-xs', sm: 'size-7 text-sm', md: 'size-8 text-base', lg: 'size-9 text-lg', xl: 'size-10 text-xl', '2xl': 'size-11 text-[22px]', '3xl': 'size-12 text-2xl',
};
const hues = ['bg-sky-100 text-sky-800 dark:bg-sky-900 dark:text-sky-100', 'bg-emerald-100 text-emerald-800 dark:bg-emerald-900 dark:text-emerald-100', 'bg-amber-100 text-amber-900 dark:bg-amber-900 dark:text-amber-100', 'bg-rose-100 text-rose-800 dark:bg-rose-900 dark:text-rose-100', 'bg-violet-100 text-violet-800 dark:bg-violet-900 dark:text-violet-100', 'bg-teal-100 text-teal-800 dark:bg-teal-900 dark:text-teal-100', 'bg-orange-100 text-orange-900 dark:bg-orange-900 dark:text-orange-100'];

function initialsOf(employee: Employee | undefined, name: string): string {
  const words = employee ? [employee.firstName, employee.lastName].filter((word) => word !== '') : [];
  return (words.length > 0 ? words : name.split(' ')).map((word) => [...word][0] ?? '').slice(0, 2).join('').toUpperCase();
}

/** The initials stand below until the photo is there, and when there is none. */
function hide({ currentTarget }: Event): void {
  if (currentTarget instanceof HTMLElement) currentTarget.hidden = true;
}

export const Avatar: FunctionalComponent<{ id: number | null | undefined; employee: Employee | undefined; size?: AvatarSize; hasTitle?: boolean | '' }> = ({ id, employee, size = 'sm', hasTitle = false }) => {
  const isTitled = hasTitle !== false;
  const name = typeof id === 'number' ? nameOf(employee) : '';
  const photo = photoUrl(employee);
  const look = `relative inline-flex shrink-0 items-center justify-center overflow-hidden rounded-full align-middle font-medium select-none ${sizes[size]} ${hues[(id ?? 0) % hues.length]}`;
  return h('span', { class: employee?.dismissedAt ? `${look} opacity-50 grayscale` : look, title: isTitled ? name : undefined }, [
    initialsOf(employee, name) || '\u00A0',
    photo === undefined ? undefined : h('img', { key: photo, src: photo, alt: isTitled ? name : '', class: 'absolute inset-0 size-full object-cover', onError: hide }),
  ]);
};
Avatar.props = ['id', 'employee', 'size', 'hasTitle'];
