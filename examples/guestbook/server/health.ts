import { existsSync } from "node:fs";

export interface Health {
  status: "ok" | "shutting down";
  /** Changes with the built files. */
  buildId: string;
  /** ISO 8601. */
  startedAt: string;
  uptimeSeconds: number;
}

const startedAt = new Date();

/** 200 while the service takes traffic, 503 from the moment the entrypoint starts to drain it. */
export function healthResponse(buildId: string, shuttingDownMarker: string): Response {
  const draining = existsSync(shuttingDownMarker);
  const health: Health = {
    status: draining ? "shutting down" : "ok",
    buildId,
    startedAt: startedAt.toISOString(),
    uptimeSeconds: Math.floor((Date.now() - startedAt.getTime()) / 1000),
  };
  return Response.json(health, {
    status: draining ? 503 : 200,
    headers: { "cache-control": "no-store" },
  });
}
