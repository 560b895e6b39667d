// Errors in the words of the backend (crates/common/src/errors.rs, crates/isolate/src/helpers.rs).
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { fileURLToPath } from "node:url";
import { convexToJson, jsonToConvex } from "convex/values";

/** An error of the backend, and not of a function: it was not thrown by anybody. */
export class BackendError extends Error {}

const traces = new WeakMap();

/** Keeps the frames of each error, which are wanted with the places of the sources. */
export function keepTraces() {
  Error.stackTraceLimit = 20;
  Error.prepareStackTrace = (error, sites) => {
    traces.set(error, sites);
    return [error, ...sites.map((site) => `    at ${site}`)].join("\n");
  };
}

/** Returns { message, data } of what a function threw. */
export function describe(error, root) {
  if (error instanceof BackendError) {
    return { message: `${error.message}\n` };
  }
  if (!(error instanceof Error)) {
    return { message: `Uncaught ${error}\n` };
  }
  const custom = Symbol.for("ConvexError") in error;
  const name = custom ? "ConvexError" : (error.name ?? "");
  const text = custom ? convexErrorText(error) : error.message;
  const head = `Uncaught ${[name, text].filter(Boolean).join(": ")}\n`;
  return { message: head + frames(error, root), ...(custom ? { data: convexErrorData(error) } : {}) };
}

// convex-test hands on what has crossed a function's border as JSON text.
function convexErrorData(error) {
  try {
    return convexToJson(typeof error.data === "string" ? jsonToConvex(JSON.parse(error.data)) : error.data);
  } catch {
    return convexToJson(error.data);
  }
}

function convexErrorText(error) {
  const data = convexErrorData(error);
  return typeof data === "string" ? data : JSON.stringify(data);
}

function frames(error, root) {
  void error.stack; // it is made when it is read for the first time
  return (traces.get(error) ?? [])
    .map((site) => frame(site, root))
    .filter(Boolean)
    .map((line) => `    at ${line}\n`)
    .join("");
}

function frame(site, root) {
  const file = site.getFileName();
  if (!root || !file?.startsWith("file:") || !fileURLToPath(file).startsWith(root)) {
    return null;
  }
  const name = site.getFunctionName();
  const place = originalPlace(fileURLToPath(file), site.getLineNumber(), site.getColumnNumber());
  if (/udf-runtime\/src|convex\/src\/server\/impl/.test(place)) {
    return null;
  }
  return (site.isAsync() ? "async " : "") + (name ? `${name} (${place})` : place);
}

const maps = new Map();

function originalPlace(file, line, column) {
  if (!maps.has(file)) {
    try {
      maps.set(file, new SourceMap(JSON.parse(readFileSync(`${file}.map`, "utf8"))));
    } catch {
      maps.set(file, null);
    }
  }
  const entry = maps.get(file)?.findEntry(line - 1, column - 1);
  if (!entry?.originalSource) {
    return `${file.replace(/^.*\//, "")}:${line}:${column}`;
  }
  return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn}`;
}
