// Modules that come with the request to run them, as the dashboard and the command line client send them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// The backend has this module for them.
const wrappers = /(["'])convex:\/_system\/repl\/wrappers\.js\1/g;
const ours = JSON.stringify(new URL("wrappers.mjs", import.meta.url).href);

/** Imports a module from its source. */
export async function loadSource(source) {
  const folder = mkdtempSync(join(dirname(fileURLToPath(import.meta.url)), "source-"));
  try {
    const file = join(folder, "query.mjs");
    writeFileSync(file, source.replace(wrappers, ours));
    return await import(pathToFileURL(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
