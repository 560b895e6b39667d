// The functions of the loaded modules: finding one, checking who may call it and with what, running it.
import { convexToJson } from "convex/values";
import { BackendError } from "./errors.mjs";
import { checkArguments } from "./validation.mjs";

const advice = "Did you forget to run `npx convex dev` or `npx convex deploy`?";
const missing = (kind, path) => new BackendError(`Could not find ${kind} for '${path}'. ${advice}`);
const kinds = { query: "isQuery", mutation: "isMutation", action: "isAction" };

/** Returns what kind of a function something is that a module exports, undefined for no function. */
export const kindOf = (exported) => Object.keys(kinds).find((kind) => exported?.[kinds[kind]]);

export class Functions {
  constructor(runtime) {
    this.runtime = runtime;
  }

  /** Returns a function that a caller may run; kind "any" takes each. */
  async find(component, path, kind, { admin, internal }) {
    const word = kind === "any" ? "function" : "public function";
    const [modulePath, name = "default"] = path.split(":");
    const module = this.runtime.state.components[component];
    if (!module?.known.has(`${modulePath}.js`)) {
      throw missing(word, path);
    }
    const found = (await module.modules(modulePath))[name];
    const own = kindOf(found);
    if (!own || !(found.isPublic || admin || internal)) {
      throw missing(word, path);
    }
    if (kind !== "any" && kind !== own) {
      const [wanted, defined] = [kind, own].map((word) => word[0].toUpperCase() + word.slice(1));
      throw new BackendError(`Trying to execute ${modulePath}.js:${name} as ${wanted}, but it is defined as ${defined}.`);
    }
    return { component, path: `${modulePath}:${name}`, kind: own, arguments: JSON.parse(found.exportArgs()) };
  }

  /** Runs a function and returns its encoded value. */
  async run(found, args) {
    checkArguments(found.arguments, args);
    const address = { componentPath: found.component, udfPath: found.path };
    return convexToJson((await this.runtime.test[`${found.kind}FromPath`](address, args)) ?? null);
  }
}
