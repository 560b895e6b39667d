// The runtime: convex-test with the pushed modules, and what that leaves out: documents that stay, functions that are
// scheduled for good, files with addresses, pages that keep their end.
import { AsyncLocalStorage } from "node:async_hooks";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { convexTest } from "convex-test";
import { convexToJson, jsonToConvex } from "convex/values";
import { keepBuiltIns, mendBuiltIns, mended } from "./builtins.mjs";
import { calls, pretty } from "./calls.mjs";
import { Documents } from "./documents.mjs";
import { describe, keepTraces } from "./errors.mjs";
import { Files } from "./files.mjs";
import { checked, Functions } from "./functions.mjs";
import { answer } from "./http.mjs";
import { Scheduler } from "./scheduler.mjs";
import { loadSource } from "./source.mjs";
import { system } from "./system.mjs";
import { inFormat } from "./values.mjs";

const KEPT_SESSIONS = 10_000;

export class Runtime {
  constructor({ folder, emit }) {
    keepTraces();
    this.emit = emit;
    this.test = convexTest(undefined, { "./convex/_generated/api.js": async () => ({}) });
    this.state = stateOf(this.test);
    this.documents = new Documents(join(folder, "documents.jsonl"));
    this.files = new Files(join(folder, "files"), this);
    this.asked = new Map();
    this.scheduler = new Scheduler(this);
    this.functions = new Functions(this);
    this.cache = new Map();
    this.imported = new Set();
    this.sessions = new Map(); // the answers of mutations, by the sessions and requests that they came with
    this.hookCommits();
    this.hookSyscalls();
    this.restore();
    keepBuiltIns();
  }

  /** Takes the modules of a push, and variables; documents stay. */
  async load({ root, components, environment, origin }) {
    this.root = root;
    this.files.origin = origin;
    for (const name of Object.keys(process.env)) {
      delete process.env[name];
    }
    Object.assign(process.env, environment);
    const { db } = this.state.components[""];
    const prepared = [];
    for (const { path, folder, modules, schema } of components) {
      const load = (name) => this.import(join(root, folder, name));
      const declared = schema ? (await load("schema.js")).default : null;
      prepared.push({ path, db: new db.constructor(declared, path), load, modules: new Set(modules) });
    }
    await this.idle();
    for (const component of Object.values(this.state.components)) {
      component.known = new Set();
    }
    for (const { path, db, load, modules } of prepared) {
      const component = (this.state.components[path] ??= { db });
      component.db._schema = db._schema;
      component.known = modules;
      component.modules = async (name) => {
        if (!modules.has(`${name}.js`)) {
          throw new Error(`Could not find module for: "${name}"`);
        }
        return checked(await load(`${name}.js`));
      };
    }
    this.cache.clear();
    if (this.state.components[""].known.has("crons.js") && !this.scheduler.started) {
      console.warn("convex-sim runs no cron jobs: those of crons.ts are left out");
    }
    this.scheduler.start();
    return { ts: this.ts() };
  }

  // A module may change the built-ins when it is loaded, as polyfills do.
  async import(file) {
    if (!this.imported.has(file)) {
      mendBuiltIns();
      await import(pathToFileURL(file));
      this.imported.add(file);
      keepBuiltIns();
    }
    return import(pathToFileURL(file));
  }

  /** Runs a function. A mutation that a client sends again after it has lost its connection is not run again. */
  call(request) {
    const { session } = request;
    if (!session) {
      return this.run(request);
    }
    if (!this.sessions.has(session)) {
      this.remember(session, this.run(request));
    }
    return this.sessions.get(session);
  }

  remember(session, answer) {
    this.sessions.set(session, answer);
    if (this.sessions.size > KEPT_SESSIONS) {
      this.sessions.delete(this.sessions.keys().next().value);
    }
  }

  // Runs a function of any kind, with encoded arguments or with a value.
  async run({ kind, component = "", path, args, value, admin, internal, journal, job, format, session }) {
    const call = { lines: [], journal, job, session };
    const [began, start] = [Date.now(), performance.now()];
    const answer = await calls.run(call, async () => {
      try {
        const found = await this.functions.find(component, path, kind, { admin, internal });
        call.kind = found.kind;
        if (job && call.kind === "action") {
          await this.scheduler.begin(job);
        }
        const result = await this.functions.run(found, value ?? jsonToConvex(args ?? {}));
        return { value: inFormat(result, format) };
      } catch (error) {
        const { message, data } = describe(error, this.root);
        return { error: { message, data: data === undefined ? undefined : inFormat(data, format) } };
      }
    });
    const { lines, ts, kind: own } = call;
    if (call.kept) {
      this.documents.append({ ts, writes: [], session, value: answer.value });
    }
    if (own) {
      const took = performance.now() - start;
      this.emit({ event: "execution", execution: { path, component, kind: own, began, took, error: answer.error?.message, lines } });
    }
    return { ...answer, ts, journal: call.journal, lines: lines.map(pretty) };
  }

  /** Runs queries that see the same documents, as far as that can be had. */
  async queries({ queries, admin }) {
    for (let attempt = 0; ; attempt++) {
      const ts = this.ts();
      const results = await Promise.all(queries.map((query) => this.query({ ...query, admin })));
      if (ts === this.ts() || attempt === 3) {
        return { ts, results };
      }
    }
  }

  // Equal queries are run once for each state of the documents.
  query(query) {
    const key = JSON.stringify(query);
    if (!this.cache.has(key)) {
      this.cache.set(key, this.call({ ...query, kind: "query" }));
    }
    return this.cache.get(key);
  }

  /** Answers an HTTP request as the app's http.ts does. */
  async http({ method, url, headers, body }) {
    const call = { lines: [] };
    const router = this.state.components[""].known?.has("http.js") ? (await this.state.components[""].modules("http")).default : null;
    return router && calls.run(call, () => answer(this, router, { method, url, headers, body }));
  }

  /** Runs a query that came with its source. */
  async runSource({ source, args, format }) {
    const call = { lines: [] };
    return calls.run(call, async () => {
      try {
        const { default: query } = await loadSource(source);
        const value = convexToJson((await this.test.query((...given) => mended(() => query._handler(...given)), jsonToConvex(args ?? {}))) ?? null);
        return { value: inFormat(value, format), lines: call.lines.map(pretty) };
      } catch (error) {
        return { error: describe(error, this.root), lines: call.lines.map(pretty) };
      }
    });
  }

  system(query) {
    return system(this, query);
  }

  stored(file) {
    return this.files.stored(file);
  }

  file(wanted) {
    return this.files.find(wanted);
  }

  /** Asks the simulator for an address that takes an upload. */
  askForUploadURL() {
    return new Promise((resolve) => {
      const number = this.asked.size;
      this.asked.set(number, resolve);
      this.emit({ event: "ask", number });
    });
  }

  answer({ number, value }) {
    this.asked.get(number)?.(value);
    this.asked.set(number, undefined);
  }

  ts() {
    return this.state.transactionManager._lastCommitTs.toString();
  }

  // Returns when no transaction runs.
  async idle() {
    const manager = this.state.transactionManager;
    while (manager._waitOnCurrentFunction !== null) {
      await manager._waitOnCurrentFunction;
    }
  }

  // Writes each commit to the file before anybody is told of it.
  hookCommits() {
    const manager = this.state.transactionManager;
    const commit = manager.commit.bind(manager);
    manager.commit = (nested) => {
      if (nested) {
        return commit(nested);
      }
      this.scheduler.beforeCommit();
      const written = Object.entries(this.state.components).flatMap(([path, { db }]) =>
        Object.keys(db._writes.at(-1)).map((id) => [path, id]),
      );
      const ts = commit(nested);
      const call = calls.getStore();
      if (call) {
        call.ts = ts.toString();
      }
      if (written.length > 0) {
        this.committed(ts, written);
      }
      return ts;
    };
  }

  committed(ts, written) {
    const documents = written.map(([path, id]) => [path, id, this.state.components[path].db._documents[id] ?? null]);
    const session = calls.getStore()?.session;
    if (session) {
      calls.getStore().kept = true;
    }
    this.documents.append({
      ts: ts.toString(),
      session,
      writes: documents.map(([path, id, document]) => [path, id, convexToJson(document)]),
      files: this.files.committed(documents),
    });
    this.scheduler.committed(documents);
    this.cache.clear();
    this.emit({ event: "commit", ts: ts.toString() });
  }

  hookSyscalls() {
    const { asyncSyscall, jsSyscall } = this.state;
    const ours = {
      ...this.files.syscalls(asyncSyscall),
      ...this.scheduler.syscalls(asyncSyscall),
      "1.0/queryPage": this.page(asyncSyscall),
    };
    this.state.asyncSyscall = async (op, args) =>
      ours[op] ? JSON.stringify(convexToJson((await ours[op](JSON.parse(args))) ?? null)) : asyncSyscall(op, args);
    this.state.jsSyscall = this.files.jsSyscall(jsSyscall);
  }

  // A page that a client watches ends where it ended first, however many documents come into it.
  page(asyncSyscall) {
    return async (args) => {
      const call = calls.getStore();
      const kept = call?.journal ? JSON.parse(call.journal).endCursor : null;
      const page = jsonToConvex(
        JSON.parse(await asyncSyscall("1.0/queryPage", JSON.stringify({ ...args, endCursor: args.endCursor ?? kept }))),
      );
      if (call) {
        call.journal = JSON.stringify({ endCursor: page.continueCursor });
      }
      return page;
    };
  }

  restore() {
    const { transactionManager } = this.state;
    let last = 0n;
    this.documents.replay(({ ts, writes, files, session, value = null }) => {
      last = BigInt(ts);
      if (session) {
        this.remember(session, { ts, value, lines: [] });
      }
      for (const [path, id, document] of writes) {
        this.put(path, id, document === null ? null : jsonToConvex(document));
      }
      this.files.restore(files);
    });
    this.files.restored();
    const now = BigInt(Date.now()) * 1_000_000n;
    transactionManager._lastCommitTs = last > now ? last : now;
    this.compact();
  }

  put(path, id, document) {
    const root = this.state.components[""].db;
    const { db } = (this.state.components[path] ??= { db: new root.constructor(null, path), modules: noModule, known: new Set() });
    const [, number, table] = /^(\d+)(.*)$/.exec(id);
    db._nextDocId = Math.max(db._nextDocId, Number(number) + 1);
    if (!db._tableIds.has(table)) {
      db._tableIds.set(table, new Set());
    }
    if (document === null) {
      delete db._documents[id];
      db._tableIds.get(table).delete(id);
      return;
    }
    db._documents[id] = document;
    db._tableIds.get(table).add(id);
    db._lastCreationTime = Math.max(db._lastCreationTime, document._creationTime);
  }

  compact() {
    const all = Object.entries(this.state.components).map(([path, { db }]) =>
      Object.entries(db._documents).map(([id, document]) => [path, id, convexToJson(document)]),
    );
    // The ids of documents that are gone must not be given again: the highest one is deleted once more.
    const highest = Object.entries(this.state.components).map(([path, { db }]) => [path, `${db._nextDocId - 1}deleted`, null]);
    this.documents.compact(all.flat().length, [
      { ts: this.ts(), writes: highest, files: this.files.all() },
      ...all.flat().map((write) => ({ ts: this.ts(), writes: [write] })),
      ...[...this.sessions].map(([session, { ts, value }]) => ({ ts, writes: [], session, value })),
    ]);
  }
}

const noModule = (name) => {
  throw new Error(`Could not find module for: "${name}"`);
};

// convex-test shows its state to nobody, but runs each call with it as the context.
function stateOf(test) {
  const { run } = AsyncLocalStorage.prototype;
  let state;
  AsyncLocalStorage.prototype.run = function (store, ...rest) {
    state = store?.transactionManager ? store : state;
    return run.call(this, store, ...rest);
  };
  try {
    void test.finishInProgressScheduledFunctions();
  } finally {
    AsyncLocalStorage.prototype.run = run;
  }
  if (!state) {
    throw new Error("this release of convex-test is not known");
  }
  return state;
}
