// Queries of the backend's own code (npm-packages/system-udfs), as far as the command line client asks them.
import { convexToJson, jsonToConvex } from "convex/values";
import { BackendError } from "./errors.mjs";
import { kindOf } from "./functions.mjs";

const queries = {
  "_system/cli/tables:default": tables,
  "_system/cli/tableData:default": tableData,
  "_system/cli/tableSize:default": tableSize,
  "_system/cli/modules:apiSpec": functionSpec,
};

/** Answers one of the queries with an encoded value. */
export async function system(runtime, { name, component, args }) {
  const there = runtime.state.components[component];
  if (!there) {
    throw new BackendError(`there is no component ${component}`);
  }
  return convexToJson(await queries[name](there, jsonToConvex(args ?? {}), runtime, component));
}

function tables({ db }) {
  const used = [...db._tableIds].filter(([, ids]) => ids.size > 0).map(([name]) => name);
  const names = new Set([...(db._schema?.tables.keys() ?? []), ...used]);
  const page = [...names].filter((name) => !name.startsWith("_")).map((name) => ({ name }));
  return { page, isDone: true, continueCursor: "end" };
}

function tableData(_, { table, order, paginationOpts }, runtime, component) {
  return runtime.test.runInComponent(component, (ctx) =>
    (table.startsWith("_") ? ctx.db.system : ctx.db).query(table).order(order).paginate(paginationOpts),
  );
}

function tableSize({ db }, { tableName }) {
  return db._tableIds.get(tableName)?.size ?? 0;
}

async function functionSpec({ known, modules }) {
  const all = [];
  for (const path of [...known].filter((each) => each !== "schema.js").sort()) {
    for (const [name, exported] of Object.entries(await modules(path.replace(/\.js$/, "")))) {
      const kind = kindOf(exported);
      if (kind) {
        all.push({
          identifier: `${path}:${name}`,
          functionType: kind[0].toUpperCase() + kind.slice(1),
          visibility: { kind: exported.isPublic ? "public" : "internal" },
          args: jsonToConvex(exported.args),
          returns: jsonToConvex(exported.returns ?? { type: "any" }),
        });
      }
      for (const [path, method] of exported?.isRouter ? exported.getRoutes() : []) {
        all.push({ functionType: "HttpAction", method, path });
      }
    }
  }
  return all;
}
