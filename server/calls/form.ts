/** Nested values as PHP sends forms: `data[FIELDS][ID]=5`. Pure. */
export function toForm(body: Readonly<Record<string, unknown>>): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(body)) put(form, name, value);
  return form.toString();
}

function put(form: URLSearchParams, name: string, value: unknown): void {
  if (value === undefined) return;
  if (value === null) form.append(name, '');
  else if (typeof value === 'boolean') form.append(name, value ? '1' : '0');
  else if (value instanceof Date) form.append(name, value.toISOString());
  else if (typeof value === 'object') for (const [key, one] of Object.entries(value)) put(form, `${name}[${key}]`, one);
  else form.append(name, String(value));
}
