/** Small choices of the person that stay in this browser. */
import { customRef, type Ref } from 'vue';

export function useKept<Value>(name: string, standard: Value): Ref<Value> {
  const key = `vestnik.crm.${name}`;
  return customRef<Value>((track, trigger) => {
    let value = read(key, standard);
    return {
      get() {
        track();
        return value;
      },
      set(now) {
        value = now;
        localStorage.setItem(key, JSON.stringify(now));
        trigger();
      },
    };
  });
}

function read<Value>(key: string, standard: Value): Value {
  const text = localStorage.getItem(key);
  if (text === null) return standard;
  try {
    return JSON.parse(text);
  } catch {
    return standard;
  }
}
