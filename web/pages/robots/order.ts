/** Where robots stand: moving and copying them in the list of a pipeline. Pure. */
import type { Robot, Trigger } from '../../robot-form/robot-types.ts';

export interface Content {
  robots: readonly Robot[];
  triggers: readonly Trigger[];
}

/** The robots with the chosen ones moved to a stage, before another one or last. Their order among each other stays. */
export function moved(content: Content, ids: readonly number[], stageId: number, beforeId: number | null): Content {
  const chosen = content.robots.filter((robot) => ids.includes(robot.id)).map((robot) => ({ ...robot, stageId }));
  const rest = content.robots.filter((robot) => !ids.includes(robot.id));
  const at = beforeId === null ? -1 : rest.findIndex((robot) => robot.id === beforeId);
  // Last of its stage: after the last one of it, so that the order of other stages stays as it is.
  const last = rest.findLastIndex((robot) => robot.stageId === stageId);
  const place = at !== -1 ? at : last === -1 ? rest.length : last + 1;
  return { ...content, robots: [...rest.slice(0, place), ...chosen, ...rest.slice(place)] };
}

/**
 * Takes a move or a removal of these robots back, and nothing else: they stand on their stages of before, above whom they stood
 * above, among whatever was changed since, by anybody.
 */
export function putBack(content: Content, ids: readonly number[], before: Content): Content {
  const order = before.robots.map((robot) => robot.id);
  const robots = content.robots.filter((robot) => !ids.includes(robot.id));
  // From the last to the first: the one below is there already.
  for (const old of before.robots.filter((robot) => ids.includes(robot.id)).reverse()) {
    const now = content.robots.find((robot) => robot.id === old.id) ?? old;
    const next = order.slice(order.indexOf(old.id) + 1).find((id) => robots.some((robot) => robot.id === id));
    robots.splice(next === undefined ? robots.length : robots.findIndex((robot) => robot.id === next), 0, { ...now, stageId: old.stageId });
  }
  return { ...content, robots };
}

/** Copies of robots below the last of them, as the server makes them: ids are new, and references among the copied follow. */
export function copied(content: Content, ids: readonly number[], newIds: readonly number[]): Content {
  const chosen = content.robots.filter((robot) => ids.includes(robot.id));
  const renamed = new Map(chosen.map((robot, index) => [robot.id, newIds[index] ?? robot.id]));
  const follow = (json: string): string => json.replace(/\{=(\s*)A(\d+)(\s*):/gi, (written, before: string, id: string, after: string) => {
    const next = renamed.get(Number(id));
    return next === undefined ? written : `{=${before}A${next}${after}:`;
  });
  const copies = chosen.map((robot): Robot => {
    const copy: Robot = JSON.parse(follow(JSON.stringify(robot)));
    return { ...copy, id: renamed.get(robot.id) ?? robot.id };
  });
  const last = content.robots.findLastIndex((robot) => ids.includes(robot.id));
  return { ...content, robots: [...content.robots.slice(0, last + 1), ...copies, ...content.robots.slice(last + 1)] };
}
