import type { ProxyOptions } from "vite";

/**
 * The routes that Vite's dev server passes on to convex, so that the page finds the same paths in development as
 * behind the public proxy. CONVEX_URL is the backend, CONVEX_SITE_PROXY_URL the port of its HTTP actions.
 */
export function convexProxy(env: Record<string, string | undefined>): Record<string, ProxyOptions> {
  const backend = env.CONVEX_URL || "http://127.0.0.1:3210";
  const httpActions = env.CONVEX_SITE_PROXY_URL || "http://127.0.0.1:3211";
  return {
    "/ws_api": { target: backend, ws: true, rewrite: (path) => path.slice("/ws_api".length) },
    "^/api/[^/]+/sync$": { target: backend, ws: true },
    "/http_api": { target: httpActions, rewrite: (path) => path.slice("/http_api".length) },
    "/api/actions": { target: backend },
    "/api/storage": { target: backend },
    "/api": { target: httpActions },
  };
}
