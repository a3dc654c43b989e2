/** All SQL of robots that applications registered. Takes the transaction first; returns plain rows. */
import { json, type Queryable, sql } from '../db/db.ts';

export const appPropertyTypes = ['string', 'text', 'int', 'double', 'bool', 'date', 'datetime', 'select', 'user'] as const;
export type AppPropertyType = (typeof appPropertyTypes)[number];

/** A setting or a result, as the application declared it. */
export interface AppProperty {
  id: string;
  /** By language; '' is for those not named. */
  names: Record<string, string>;
  descriptions: Record<string, string>;
  type: AppPropertyType;
  isRequired: boolean;
  isMultiple: boolean;
  options: { value: string; name: string }[];
  preset: string | null;
}

export interface AppRobotRow {
  appId: number;
  code: string;
  appName: string;
  handler: string;
  /** Whose token the handler is given. */
  employeeId: number | null;
  waitsForAnswer: boolean;
  names: Record<string, string>;
  descriptions: Record<string, string>;
  properties: AppProperty[];
  results: AppProperty[];
}

/** `appId` absent: of all applications. */
export function listAppRobots(q: Queryable, appId?: number): Promise<AppRobotRow[]> {
  return q.rows<AppRobotRow>(sql`
    select app_id, code, app_name, handler, employee_id, waits_for_answer, names, descriptions, properties, results from app_robots
    where ${appId ?? null}::bigint is null or app_id = ${appId ?? null} order by app_name, app_id, code`);
}

/** false: one with the code is there already. */
export async function insertAppRobot(q: Queryable, row: AppRobotRow, at: Date): Promise<boolean> {
  const inserted = await q.run(sql`
    insert into app_robots (app_id, code, app_name, handler, employee_id, waits_for_answer, names, descriptions, properties, results, created_at)
    values (${row.appId}, ${row.code}, ${row.appName}, ${row.handler}, ${row.employeeId}, ${row.waitsForAnswer}, ${json(row.names)}, ${json(row.descriptions)},
      ${json(row.properties)}, ${json(row.results)}, ${at})
    on conflict do nothing`);
  return inserted > 0;
}

export async function updateAppRobot(q: Queryable, row: AppRobotRow): Promise<void> {
  await q.run(sql`
    update app_robots set handler = ${row.handler}, employee_id = ${row.employeeId}, waits_for_answer = ${row.waitsForAnswer}, names = ${json(row.names)},
      descriptions = ${json(row.descriptions)}, properties = ${json(row.properties)}, results = ${json(row.results)}
    where app_id = ${row.appId} and code = ${row.code}`);
}

export async function deleteAppRobot(q: Queryable, appId: number, code: string): Promise<boolean> {
  return (await q.run(sql`delete from app_robots where app_id = ${appId} and code = ${code}`)) > 0;
}

export async function deleteAppRobots(q: Queryable, appId: number): Promise<void> {
  await q.run(sql`delete from app_robots where app_id = ${appId}`);
}
