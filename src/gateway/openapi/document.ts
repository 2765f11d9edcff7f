import { z } from "zod";
import * as admin from "./admin-schemas.ts";
import * as answers from "./answer-schemas.ts";
import { OPERATIONS } from "./operations.ts";
import type { Operation } from "./operations.ts";
import * as requests from "./request-schemas.ts";

const NAMES_AT = "#/components/schemas/";

/** The description of the whole interface, in OpenAPI 3.1. */
export function openApiDocument(): object {
  const schemas = namedSchemas();
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    const methods = (paths[operation.path] ??= {});
    methods[operation.method.toLowerCase()] = operationObject(operation, schemas.nameOf);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Headgate", version: "1", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    security: [{ key: [] }, {}],
    paths,
    components: {
      schemas: schemas.components,
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
    },
  };
}

/** Every exported schema under its own name, and how others refer to it. */
function namedSchemas(): { components: object; nameOf: (schema: z.ZodType) => string } {
  const registry = z.registry<{ id: string }>();
  const names = new Map<z.ZodType, string>();
  const all = [...Object.entries(requests), ...Object.entries(answers), ...Object.entries(admin)];
  for (const [name, schema] of all) {
    const id = name[0]!.toUpperCase() + name.slice(1);
    names.set(schema, id);
    registry.add(schema, { id });
  }
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => NAMES_AT + id, io: "input" });
  const components = Object.entries(schemas).map(([name, schema]) => {
    // They stand in one document, which says both for all of them.
    const { $schema: _dialect, $id: _id, ...rest } = schema;
    return [name, rest];
  });
  return { components: Object.fromEntries(components) as object, nameOf: (schema) => names.get(schema)! };
}

function operationObject(operation: Operation, nameOf: (schema: z.ZodType) => string): object {
  const reference = (schema: z.ZodType | null): object =>
    schema === null ? {} : { schema: { $ref: NAMES_AT + nameOf(schema) } };
  const content = (answer: Operation["answer"]): object =>
    Object.fromEntries(Object.entries(answer).map(([type, schema]) => [type, reference(schema)]));
  const error = { description: "Why not", content: content({ "application/json": operation.error }) };
  return {
    summary: operation.summary,
    ...parameters(operation),
    ...(operation.request === null
      ? {}
      : { requestBody: { required: true, content: content({ "application/json": operation.request }) } }),
    responses: {
      [operation.status ?? 200]: {
        description: "OK",
        ...headers(operation),
        content: content(operation.answer),
      },
      ...Object.fromEntries(operation.errors.map((status) => [status, error])),
    },
  };
}

function parameters({ path, query = {}, requestHeaders = {} }: Operation): object {
  const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => {
    return { name, in: "path", required: true, schema: { type: "string" } };
  });
  const inHeaders = Object.entries(requestHeaders).map(([name, description]) => {
    return { name, in: "header", description, schema: { type: "string" } };
  });
  const inQuery = Object.entries(query).map(([name, description]) => {
    return { name, in: "query", description, schema: { type: "string" } };
  });
  const all = [...inPath, ...inQuery, ...inHeaders];
  return all.length === 0 ? {} : { parameters: all };
}

function headers({ answerHeaders }: Operation): object {
  if (answerHeaders === undefined) return {};
  const entries = Object.entries(answerHeaders).map(([name, description]) => {
    return [name, { description, schema: { type: "string" } }];
  });
  return { headers: Object.fromEntries(entries) as object };
}
