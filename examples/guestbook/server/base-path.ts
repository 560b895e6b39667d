/** Accepts the forms in which people write a base path ("tale", "/tale", "/tale/", "/") and gives "/tale" or "". */
export function normalizeBasePath(value = ""): string {
  const segments = value.split("/").filter((segment) => segment !== "");
  return segments.map((segment) => `/${segment}`).join("");
}

/** The path below the base path. A proxy may have removed the prefix before: a path without it is given back as it is. */
export function withoutBasePath(basePath: string, pathname: string): string {
  const inside = pathname === basePath || pathname.startsWith(`${basePath}/`);
  return inside ? pathname.slice(basePath.length) || "/" : pathname;
}
