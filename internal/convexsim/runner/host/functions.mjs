// The functions of the loaded modules: finding one, checking who may call it and with what, running it.
import { convexToJson } from "convex/values";
import { mended } from "./builtins.mjs";
import { BackendError } from "./errors.mjs";
import { checkArguments, checkValue } from "./validation.mjs";

const advice = "Did you forget to run `npx convex dev` or `npx convex deploy`?";
const missing = (kind, path) => new BackendError(`Could not find ${kind} for '${path}'. ${advice}`);
const kinds = { query: "isQuery", mutation: "isMutation", action: "isAction" };

/** Returns what kind of a function something is that a module exports, undefined for no function. */
export const kindOf = (exported) => Object.keys(kinds).find((kind) => exported?.[kinds[kind]]);

/**
 * Returns what a module exports, with functions that check their arguments and their value as the backend does: in its
 * words, and before a mutation is committed. convex-test would do the latter after it.
 */
export function checked(module) {
  return Object.fromEntries(Object.entries(module).map(([name, one]) => [name, kindOf(one) ? withChecks(one) : one]));
}

function withChecks(exported) {
  const [args, returns] = [JSON.parse(exported.exportArgs()), JSON.parse(exported.exportReturns())];
  const { isQuery, isMutation, isAction, isPublic, _handler = exported } = exported;
  return {
    isQuery, isMutation, isAction, isPublic, args, returns,
    exportArgs: () => '{"type":"any"}',
    exportReturns: () => "null",
    _handler: async (ctx, given) => {
      checkArguments(args, given);
      const value = (await mended(() => _handler(ctx, given))) ?? null;
      checkValue(returns, value);
      return value;
    },
  };
}

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
    return { component, path: `${modulePath}:${name}`, kind: own };
  }

  /** Runs a function and returns its encoded value. */
  async run(found, args) {
    const address = { componentPath: found.component, udfPath: found.path };
    return convexToJson((await this.runtime.test[`${found.kind}FromPath`](address, args)) ?? null);
  }
}
