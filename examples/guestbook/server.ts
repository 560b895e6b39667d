// The production web server: the health and metrics routes, the built files, and the pages rendered on the server.
// Its settings come from the environment, see server/settings.ts.
import { join } from "node:path";
import { Assets } from "./server/assets";
import { withoutBasePath } from "./server/base-path";
import { about, healthResponse } from "./server/health";
import { convexMetricsResponse, Metrics } from "./server/metrics";
import { readSettings } from "./server/settings";

interface PageRenderer {
  fetch(request: Request): Response | Promise<Response>;
}

// Longer than a reverse proxy keeps idle connections, so that it is never this side that closes one just as a request
// is sent on it; 255 s is the most that bun allows.
const IDLE_TIMEOUT_SECONDS = 255;
// Less than the 30 s after which the entrypoint kills this server (SHUTDOWN_TIMEOUT_SECONDS): long downloads end well.
const STOP_DEADLINE_MS = 25_000;

const dist = join(import.meta.dir, "dist");
const settings = readSettings(process.env);
const assets = await Assets.load(join(dist, "client"));
const pages = ((await import(join(dist, "server", "server.js"))) as { default: PageRenderer }).default;
const metrics = new Metrics(assets.buildId, () => server.pendingRequests);

const server = Bun.serve({
  hostname: settings.hostname,
  port: settings.port,
  idleTimeout: IDLE_TIMEOUT_SECONDS,
  development: false,
  async fetch(request) {
    const start = performance.now();
    const response = await respond(request);
    metrics.observe(response.status, (performance.now() - start) / 1000);
    return response;
  },
  error(error) {
    console.error(error);
    metrics.observe(500, 0);
    return new Response("internal error\n", { status: 500 });
  },
});
console.log(`guestbook build ${assets.buildId} listens on ${server.url}`);

async function respond(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const path = withoutBasePath(settings.basePath, url.pathname);
  switch (path) {
    case "/api/health":
      return healthResponse(assets.buildId, settings.shuttingDownMarker);
    case "/about.json": // for the page: what is below /api does not reach this server from outside
      return Response.json(about(assets.buildId), { headers: { "cache-control": "no-store" } });
    case "/metrics":
      return metrics.response();
    case "/metrics/convex":
      return await convexMetricsResponse(settings.convexUrl);
  }
  return assets.response(path, request) ?? (await renderPage(request, url, path));
}

// The proxy removes the base path, but the page's links need it: the router is given the public URL.
async function renderPage(request: Request, url: URL, path: string): Promise<Response> {
  url.pathname = settings.basePath + path;
  const response = await pages.fetch(new Request(url, request));
  response.headers.set("cache-control", "no-store");
  response.headers.set("x-content-type-options", "nosniff");
  response.headers.set("x-frame-options", "SAMEORIGIN");
  response.headers.set("referrer-policy", "strict-origin-when-cross-origin");
  return response;
}

// A stop is asked for after the entrypoint has drained the service: running requests are finished, new ones refused.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    const deadline = Bun.sleep(STOP_DEADLINE_MS);
    await Promise.race([server.stop(), deadline]);
    process.exit(0);
  });
}
