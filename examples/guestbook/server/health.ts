import { existsSync } from "node:fs";

/** What a visitor may know about the server. */
export interface About {
  /** Changes with the built files. */
  buildId: string;
  /** ISO 8601. */
  startedAt: string;
  uptimeSeconds: number;
}

const startedAt = new Date();

export function about(buildId: string): About {
  const uptimeSeconds = Math.floor((Date.now() - startedAt.getTime()) / 1000);
  return { buildId, startedAt: startedAt.toISOString(), uptimeSeconds };
}

/** 200 while the service takes traffic, 503 from the moment the entrypoint starts to drain it. */
export function healthResponse(buildId: string, shuttingDownMarker: string): Response {
  const draining = existsSync(shuttingDownMarker);
  const status = draining ? "shutting down" : "ok";
  return Response.json(
    { status, ...about(buildId) },
    { status: draining ? 503 : 200, headers: { "cache-control": "no-store" } },
  );
}
