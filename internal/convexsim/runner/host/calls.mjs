// What belongs to one call of a function: its log lines, the journal of its paginated query, and who it is for.
import { AsyncLocalStorage } from "node:async_hooks";
import { format, inspect } from "node:util";

export const calls = new AsyncLocalStorage();

// Timers and jobs that must not belong to the call that started them.
export const outside = AsyncLocalStorage.snapshot();

/** Sends what functions log into their call, and everything else to the log of the simulator. */
export function hearConsole() {
  const own = {};
  for (const level of ["debug", "error", "info", "log", "warn"]) {
    own[level] = (...args) => {
      const call = calls.getStore();
      if (call) {
        call.lines.push({ level: level.toUpperCase(), messages: args.map(shown), timestamp: Date.now() });
      } else {
        process.stderr.write(format(...args) + "\n");
      }
    };
  }
  globalThis.console = Object.assign(Object.create(console), own, { trace: own.log });
}

const shown = (value) => inspect(value, { depth: 6, breakLength: Infinity });

export const pretty = (line) => `[${line.level}] ${line.messages.join(" ")}`;
