// npm run push-request [-- FILE]: bundles the convex functions into FILE (default dist/push-request.json), the request
// that platform-entrypoint sends itself when the native deploy driver is in use. Nothing is contacted.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

const target = process.argv[2] ?? "dist/push-request.json";
const suffix = ".json";
if (!target.endsWith(suffix)) {
  console.error(`cannot write ${target}: the name of a push request ends in ${suffix}`);
  process.exit(64);
}
await mkdir(dirname(target), { recursive: true });

const child = Bun.spawn(
  [
    "convex",
    "deploy",
    "--write-push-request",
    target.slice(0, -suffix.length), // the command adds the suffix itself
    "--push-all-modules",
    "--codegen",
    "disable",
    "--typecheck",
    "disable",
  ],
  {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      CI: "1", // keeps the command's error reporting off
      CONVEX_SELF_HOSTED_URL: "http://127.0.0.1:9",
      CONVEX_SELF_HOSTED_ADMIN_KEY: "nobody|00", // ends up in the file; whoever sends it puts the real key in
    },
  },
);
// What the command prints claims a deployment even here, so it is shown only when it explains a failure.
const [printed, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
if (code === 0) {
  console.log(`${target}: ${Bun.file(target).size} bytes`);
} else {
  console.error(printed);
}
process.exit(code);
