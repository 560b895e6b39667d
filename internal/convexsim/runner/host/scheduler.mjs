// Scheduled functions. They are documents of the table _scheduled_functions from the commit that schedules them on, and
// run at their time, also after a restart: mutations exactly once, actions at most once, as in the backend.
import { jsonToConvex } from "convex/values";
import { calls, outside } from "./calls.mjs";
import { BackendError } from "./errors.mjs";

const TABLE = "_scheduled_functions";
const LONGEST_TIMER = 2 ** 31 - 1;
const { setTimeout } = globalThis; // convex-test forbids it inside of functions

export class Scheduler {
  constructor(runtime) {
    Object.assign(this, { runtime, waiting: [], started: false });
  }

  syscalls(original) {
    return {
      "1.0/schedule": async (args) => {
        const { componentPath: own } = JSON.parse(await original("1.0/getFunctionMetadata", "{}"));
        const { component, path } = addressOf(args, own);
        await this.mustExist(component, path);
        return this.runtime.state.components[own].db.insert(TABLE, {
          name: path,
          args: [jsonToConvex(args.args)],
          scheduledTime: args.ts * 1000,
          state: { kind: "pending" },
          // The backend's own table has it, too, where its view does not show it.
          ...(component === own ? {} : { component }),
        });
      },
    };
  }

  async mustExist(component, path) {
    const [module, name = "default"] = path.split(":");
    const there = this.runtime.state.components[component];
    if (!there?.known.has(`${module}.js`) || (await there.modules(module))[name] === undefined) {
      throw new BackendError(`Attempted to schedule function at nonexistent path: ${component ? `${component} ` : ""}${module}.js`);
    }
  }

  /** Arms what was committed; before the first load, what is restored waits for it. */
  committed(documents) {
    for (const [path, id, document] of documents) {
      if (id.endsWith(TABLE) && document?.state.kind === "pending") {
        this.arm(path, id, document.scheduledTime);
      }
    }
  }

  start() {
    if (this.started) {
      return;
    }
    this.started = true;
    for (const [path, { db }] of Object.entries(this.runtime.state.components)) {
      for (const id of db._tableIds.get(TABLE) ?? []) {
        const { state, scheduledTime } = db._documents[id];
        if (state.kind === "pending") {
          this.arm(path, id, scheduledTime);
        } else if (state.kind === "inProgress") {
          void this.finish(path, id, { kind: "failed", error: "Transient error while executing action" });
        }
      }
    }
  }

  arm(path, id, time) {
    const left = Math.max(0, time - Date.now());
    outside(() =>
      setTimeout(() => (left > LONGEST_TIMER ? this.arm(path, id, time) : void this.run(path, id)), Math.min(left, LONGEST_TIMER)),
    );
  }

  async run(path, id) {
    const job = this.runtime.state.components[path].db._documents[id];
    if (job?.state.kind !== "pending") {
      return;
    }
    const request = { component: job.component ?? path, path: job.name, kind: "any", internal: true, value: job.args[0] };
    const scheduled = { path, id, committed: false };
    const answer = await this.runtime.call({ ...request, job: scheduled });
    if (!scheduled.committed) {
      const error = answer.error?.message.trim();
      await this.finish(path, id, error === undefined ? { kind: "success" } : { kind: "failed", error });
    }
  }

  /** Says that an action has begun: it is not run a second time. */
  begin({ path, id }) {
    return this.change(path, id, { kind: "inProgress" });
  }

  finish(path, id, state) {
    return this.change(path, id, state, { completedTime: Date.now() });
  }

  change(path, id, state, more = {}) {
    const { db } = this.runtime.state.components[path];
    return this.runtime.test.runInComponent(path, () => {
      if (db.get(TABLE, id)) {
        db.patch(TABLE, id, { state, ...more });
      }
    });
  }

  /** The commit of a scheduled mutation is also that of its success. */
  beforeCommit() {
    const { job, kind } = calls.getStore() ?? {};
    if (!job || kind !== "mutation" || job.committed) {
      return;
    }
    const { db } = this.runtime.state.components[job.path];
    if (db.get(TABLE, job.id)?.state.kind !== "pending") {
      throw new BackendError("The scheduled function was canceled.");
    }
    db.patch(TABLE, job.id, { state: { kind: "success" }, completedTime: Date.now() });
    job.committed = true;
  }
}

// A function is named by its name, by a reference into a child component, or by a handle.
function addressOf({ name, reference, functionHandle }, own) {
  if (functionHandle !== undefined) {
    const [component, path] = functionHandle.split("function://")[1].split(";");
    return { component, path };
  }
  if (name !== undefined) {
    return { component: own, path: name };
  }
  const [, , child, ...rest] = reference.split("/");
  return { component: own ? `${own}/${child}` : child, path: `${rest.slice(0, -1).join("/")}:${rest.at(-1)}` };
}
