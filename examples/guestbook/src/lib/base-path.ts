import { normalizeBasePath } from "../../server/base-path";

/**
 * The public path the site lives under, such as "/tale", or "" for the root. It is a run-time setting: the server reads
 * it from its environment and writes it into the page, the browser reads it there.
 */
export const basePath =
  typeof document === "undefined"
    ? normalizeBasePath(process.env.BASE_PATH)
    : (document.documentElement.dataset.basePath ?? "");
