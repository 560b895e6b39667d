// The production web server: the built page, health and metrics.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { noteText } from "@workspace/shared";
import { Hono } from "hono";
import { serveStatic } from "hono/bun";
import { pino } from "pino";
import { collectDefaultMetrics, Counter, register } from "prom-client";

const log = pino();
const dist = join(import.meta.dir, "dist");
const shuttingDown = join(process.env.TALE_RUN_DIR ?? "/tmp", "platform-shutting-down");

collectDefaultMetrics();
const requests = new Counter({ name: "web_requests_total", help: "Requests answered", labelNames: ["status"] });

const app = new Hono();
app.use(async (c, next) => {
  await next();
  requests.inc({ status: c.res.status });
});
// 503 from the moment the entrypoint begins to drain.
app.get("/api/health", (c) => (existsSync(shuttingDown) ? c.json({ status: "shutting down" }, 503) : c.json({ status: "ok" })));
app.get("/metrics", async (c) => c.text(await register.metrics(), 200, { "content-type": register.contentType }));
app.get("/limits.json", (c) => c.json({ longestNote: noteText.maxLength }));
app.use(serveStatic({ root: dist }));

const server = Bun.serve({
  port: process.env.PORT ?? 3000,
  hostname: process.env.HOSTNAME ?? "0.0.0.0",
  fetch: app.fetch,
});
log.info(`listening on ${server.url}`);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    await server.stop();
    process.exit(0);
  });
}
