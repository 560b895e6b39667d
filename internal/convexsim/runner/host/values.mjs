// Values on the wire: "convex_encoded_json" is what convexToJson makes, "json" is what people write.
import { Base64, jsonToConvex } from "convex/values";

/** Returns an encoded value in the format that a caller asked for. */
export function inFormat(encoded, format) {
  return format === "json" || format === "convex_clean_json" ? clean(jsonToConvex(encoded)) : encoded;
}

function clean(value) {
  if (typeof value === "bigint") {
    return value.toString();
  }
  if (typeof value === "number" && !Number.isFinite(value)) {
    return String(value);
  }
  if (value instanceof ArrayBuffer) {
    return Base64.fromByteArray(new Uint8Array(value));
  }
  if (Array.isArray(value)) {
    return value.map(clean);
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, clean(field)]));
  }
  return value;
}
