/** Robots as pages know them: contracts as JSON, the catalogue, and what a new robot starts with. No robot is known by name here. */
import { useQuery } from '@pinia/colada';
import { computed } from 'vue';
import type { z } from 'zod';
import type { PickerNode, robotFormField, robotProblem, robotRecord, robotSet, robotTypeDescription } from '../../shared/api/robot-sets.ts';
import type { Timing } from '../../shared/api/robots.ts';
import type { triggerRecord, triggerType } from '../../shared/api/triggers.ts';
import { api } from '../api.ts';
import type { Json } from '../json.ts';
import { language } from '../text.ts';

export type Robot = z.output<typeof robotRecord>;
export type Trigger = z.output<typeof triggerRecord>;
export type RobotSet = Json<z.output<typeof robotSet>>;
export type RobotType = Json<z.output<typeof robotTypeDescription>>;
export type FormField = z.output<typeof robotFormField>;
export type RobotProblem = z.output<typeof robotProblem>;
export type TriggerType = z.output<typeof triggerType>;
export type { PickerNode, Timing };

export function useRobotTypes() {
  const query = useQuery({ key: () => ['robot-types', language.value], query: () => api.get<RobotType[]>('/api/robot-types'), staleTime: Infinity });
  const triggers = useQuery({ key: () => ['trigger-types', language.value], query: () => api.get<TriggerType[]>('/api/trigger-types'), staleTime: Infinity });
  const byId = computed(() => new Map((query.data.value ?? []).map((type) => [type.id, type])));
  return {
    types: computed(() => query.data.value ?? []),
    typeOf: (id: string): RobotType | undefined => byId.value.get(id),
    triggerTypes: computed(() => triggers.data.value ?? []),
    triggerTypeOf: (kind: string): TriggerType | undefined => triggers.data.value?.find((type) => type.kind === kind),
    isLoading: computed(() => query.data.value === undefined),
  };
}

export async function reserveIds(count: number): Promise<number[]> {
  return (await api.post<{ ids: number[] }>('/api/robot-ids', { count })).ids;
}

export function newRobot(id: number, stageId: number, type: RobotType, settings: Record<string, unknown> = {}): Robot {
  return {
    id, stageId, type: type.id, typeVersion: type.version, title: '', isEnabled: true, order: 'afterPrevious', timing: { kind: 'now' }, condition: null,
    oncePerItem: false,
    settings: structuredClone(settings),
  };
}

export function newTrigger(id: number, stageId: number, kind: Trigger['when']['kind']): Trigger {
  const when = (): Trigger['when'] => {
    switch (kind) {
      case 'fieldChanged': return { kind, changes: [] };
      case 'webhook': return { kind, code: '' };
      case 'app': return { kind, appId: null, code: '' };
      case 'dateReached': return { kind, timing: { kind: 'beforeDate', reference: '{=Document:closesOn}', amount: 1, unit: 'days' } };
      default: return { kind };
    }
  };
  return { id, stageId, title: '', isEnabled: true, when: when(), condition: null, mayMoveBack: false, changeAs: null };
}

/** Every node of the tree that can be chosen, with the names above it. */
export function leavesOf(nodes: readonly PickerNode[], path: readonly string[] = []): { node: PickerNode & { placeholder: string }; path: readonly string[] }[] {
  return nodes.flatMap((node) => {
    const here = [...path, node.name];
    const own = node.placeholder === undefined ? [] : [{ node: { ...node, placeholder: node.placeholder }, path: here }];
    return [...own, ...leavesOf(node.children ?? [], here)];
  });
}

/** The branches that hold a leaf of the wanted sort, without the others. */
export function onlyLeaves(nodes: readonly PickerNode[], isWanted: (node: PickerNode) => boolean): PickerNode[] {
  return nodes.flatMap((node) => {
    if (node.placeholder !== undefined) return isWanted(node) ? [node] : [];
    const children = onlyLeaves(node.children ?? [], isWanted);
    return children.length > 0 ? [{ ...node, children }] : [];
  });
}

export function isPlaceholderText(value: unknown): value is string {
  return typeof value === 'string' && value.includes('{=');
}

const codeOf = (placeholder: string): string => placeholder.replace(/\s*>[^}]*\}$/, '}').replace(/\s/g, '').toLowerCase();

/** The leaf a saved reference stands for, whatever its letter case and modifiers. */
export function leafOf(nodes: readonly PickerNode[], placeholder: string) {
  const code = codeOf(placeholder);
  return leavesOf(nodes).find(({ node }) => codeOf(node.placeholder) === code);
}
