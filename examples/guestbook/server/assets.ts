import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface Asset {
  file: Bun.BunFile;
  headers: Record<string, string>;
}

// Vite puts a hash of the content into the names below this folder, so that what they name never changes.
const HASHED = "/assets/";

/** The built files of the browser, listed once at the start: a request never makes up a path on the disk. */
export class Assets {
  private constructor(
    private readonly byPath: Map<string, Asset>,
    /** A short hash over the names of all files, which change with their content. */
    readonly buildId: string,
  ) {}

  static async load(folder: string): Promise<Assets> {
    const byPath = new Map<string, Asset>();
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) {
        const file = join(entry.parentPath, entry.name);
        const path = file.slice(folder.length);
        byPath.set(path, { file: Bun.file(file), headers: await cacheHeaders(path, file) });
      }
    }
    const names = [...byPath.keys()].sort().join("\n");
    return new Assets(byPath, createHash("sha256").update(names).digest("hex").slice(0, 12));
  }

  /** The answer for a built file, 404 for one that a page of an older build asks for; undefined for other paths. */
  response(path: string, request: Request): Response | undefined {
    const asset = this.byPath.get(path);
    if (asset === undefined) {
      return path.startsWith(HASHED) ? new Response("no such file\n", { status: 404 }) : undefined;
    }
    const { etag } = asset.headers;
    if (etag !== undefined && request.headers.get("if-none-match") === etag) {
      return new Response(null, { status: 304, headers: asset.headers });
    }
    return new Response(asset.file, { headers: asset.headers });
  }
}

async function cacheHeaders(path: string, file: string): Promise<Record<string, string>> {
  if (path.startsWith(HASHED)) {
    return { "cache-control": "public, max-age=31536000, immutable" };
  }
  const digest = createHash("sha256").update(await readFile(file)).digest("base64url");
  return { "cache-control": "public, max-age=0, must-revalidate", etag: `"${digest.slice(0, 16)}"` };
}
