// A browser's client, driven by lines of JSON: each has the name of a method and its arguments. What comes of them are
// lines, too.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { convexToJson } from "convex/values";

const { ConvexClient, ConvexHttpClient } = createRequire(import.meta.url)("convex/browser");
const client = new ConvexClient(process.argv[2], { logger: false, unsavedChangesWarning: false });
const say = (id, what) => process.stdout.write(JSON.stringify({ id, ...what }) + "\n");
const failure = (error) => ({ error: error.message, data: error.data === undefined ? undefined : convexToJson(error.data) });

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, method, name, args } = JSON.parse(line);
  if (method === "watch") {
    client.onUpdate(name, args, (value) => say(id, { value: convexToJson(value) }), (error) => say(id, failure(error)));
    return;
  }
  try {
    const from = method.startsWith("http.") ? new ConvexHttpClient(process.argv[2], { logger: false }) : client;
    say(id, { value: convexToJson((await from[method.replace("http.", "")](name, args)) ?? null) });
  } catch (error) {
    say(id, failure(error));
  }
}).on("close", () => process.exit());
