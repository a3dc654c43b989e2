/** The routes as the running application knows them: who adds one is found out here. */
import { describeApi } from '../../server/http/http.ts';
import type { TestVestnik } from '../support/vestnik.ts';

export interface JsonSchema {
  type?: string | readonly string[];
  properties?: Record<string, JsonSchema>;
  required?: readonly string[];
  items?: JsonSchema;
  anyOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
  allOf?: readonly JsonSchema[];
  enum?: readonly unknown[];
  const?: unknown;
  default?: unknown;
  format?: string;
  pattern?: string;
  minimum?: number;
  exclusiveMinimum?: number;
  minItems?: number;
  minLength?: number;
  $ref?: string;
}

export interface Route {
  /** 'PATCH /api/items/{id}' */
  name: string;
  method: string;
  path: string;
  isPublic: boolean;
  /** Undefined: the route takes no JSON. */
  body: JsonSchema | undefined;
  takesBytes: boolean;
  query: { name: string; schema: JsonSchema }[];
  pathParams: string[];
}

interface Operation {
  security?: readonly unknown[];
  parameters?: readonly { name: string; in: string; schema: JsonSchema }[];
  requestBody?: { content: Record<string, { schema: JsonSchema }> };
}

const isChanging = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
export const changes = (route: Route): boolean => isChanging.has(route.method);

export interface Routes {
  all: readonly Route[];
  /** What a `$ref` of a schema stands for. */
  resolve(schema: JsonSchema): JsonSchema;
}

/** What the application describes, and what it answers without describing it. */
export function routesOf({ vestnik: { app } }: TestVestnik): Routes {
  // The description is our own document: only its parts named above are read.
  const described = describeApi(app) as { paths: Record<string, Record<string, Operation>>; components?: { schemas?: Record<string, JsonSchema> } };
  const all = Object.entries(described.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): Route => {
      const content = operation.requestBody?.content ?? {};
      const parameters = operation.parameters ?? [];
      return {
        name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path,
        isPublic: operation.security?.length === 0,
        body: content['application/json']?.schema,
        takesBytes: method !== 'get' && path.startsWith('/api/drive/') && (path.endsWith('/files') || path.endsWith('/attachments') || (path.endsWith('/uploads/{id}') && method === 'put') || (path.endsWith('/content') && method === 'put')),
        query: parameters.filter((one) => one.in === 'query').map(({ name, schema }) => ({ name, schema })),
        pathParams: [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!),
      };
    }));
  const schemas = described.components?.schemas ?? {};
  return {
    all,
    resolve(schema) {
      const name = schema.$ref?.split('/').at(-1);
      return name === undefined ? schema : (schemas[name] ?? {});
    },
  };
}

/** 'GET /api/items/{id}' of everything the router answers, also what no description mentions. HEAD and OPTIONS say nothing new. */
export function routerNames({ vestnik: { app } }: TestVestnik): string[] {
  const names: string[] = [];
  const parts: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent = '', part = '', , methods] = /^([│ ]*(?:├──|└──) )(.*?)( \(([A-Z, ]+)\))?$/u.exec(line) ?? [];
    if (part === '') continue;
    const depth = indent.length / 4 - 1;
    parts.splice(depth, parts.length, part);
    if (methods === undefined) continue;
    const path = parts.join('').replaceAll(/:(\w+)/g, '{$1}');
    for (const method of methods.split(', ')) if (method !== 'HEAD' && method !== 'OPTIONS') names.push(`${method} ${path}`);
  }
  return names;
}
