// Counts the functions of the app in a push request, by kind, and prints the
// counts as JSON. Its arguments are the request and an empty folder to load the
// bundles from.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [request, folder] = process.argv.slice(2);
const modules = JSON.parse(readFileSync(request, "utf8")).appDefinition.changedModules;

writeFileSync(join(folder, "package.json"), '{"type":"module"}');
for (const { path, source } of modules) {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, source);
}

const counts = { queries: 0, mutations: 0, actions: 0, internal: 0, "HTTP routes": 0, crons: 0 };
const kinds = { isQuery: "queries", isMutation: "mutations", isAction: "actions" };
for (const { path } of modules.filter(({ path }) => !path.startsWith("_deps/") && path !== "auth.config.js")) {
  for (const value of Object.values(await import(pathToFileURL(join(folder, path))))) {
    count(value);
  }
}
console.log(JSON.stringify(counts));

function count(value) {
  if (value?.isRouter) {
    counts["HTTP routes"] += value.getRoutes().length;
  } else if (value?.isCrons) {
    counts.crons += Object.keys(value.crons).length;
  } else {
    const kind = Object.keys(kinds).find((each) => value?.[each]);
    if (kind) counts[value.isInternal ? "internal" : kinds[kind]]++;
  }
}
