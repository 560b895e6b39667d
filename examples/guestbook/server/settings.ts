import { join } from "node:path";
import { normalizeBasePath } from "./base-path";

export interface Settings {
  /** The address to listen on. Not HOST: in this stack that is the site's public name. */
  hostname: string;
  port: number;
  /** "/tale" or "". */
  basePath: string;
  /** The convex backend, whose metrics are passed on. */
  convexUrl: string;
  /** The file whose presence says that this service is being drained. */
  shuttingDownMarker: string;
}

/** Reads HOSTNAME, PORT, BASE_PATH, CONVEX_URL and TALE_RUN_DIR. */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const port = Number(env.PORT || 3000);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`PORT is ${JSON.stringify(env.PORT)}: a port number from 0 to 65535 is needed`);
  }
  return {
    hostname: env.HOSTNAME || "0.0.0.0",
    port,
    basePath: normalizeBasePath(env.BASE_PATH),
    convexUrl: env.CONVEX_URL || "http://convex:3210",
    shuttingDownMarker: join(env.TALE_RUN_DIR || "/tmp", "platform-shutting-down"),
  };
}
