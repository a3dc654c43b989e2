/** The icon of a robot type, drawn from its SVG as elements: what a robot's folder says never becomes HTML. */
import { computed, defineComponent, h, type VNode } from 'vue';

const allowed = new Set(['svg', 'g', 'path', 'circle', 'rect', 'line', 'polyline', 'polygon', 'ellipse']);

function draw(element: Element): VNode | undefined {
  if (!allowed.has(element.tagName)) return undefined;
  const attributes = Object.fromEntries([...element.attributes].filter(({ name }) => !name.startsWith('on') && name !== 'xmlns').map(({ name, value }) => [name, value]));
  return h(element.tagName, attributes, [...element.children].flatMap((child) => draw(child) ?? []));
}

const drawn = new Map<string, Element>();

export const RobotIcon = defineComponent({
  name: 'RobotIcon',
  props: { svg: { type: String, required: true } },
  setup(props) {
    const root = computed(() => {
      let element = drawn.get(props.svg);
      if (!element) drawn.set(props.svg, (element = new DOMParser().parseFromString(props.svg, 'image/svg+xml').documentElement));
      return element;
    });
    return () => {
      const icon = draw(root.value);
      return icon ? h(icon, { 'aria-hidden': 'true', width: '1em', height: '1em' }) : undefined;
    };
  },
});
