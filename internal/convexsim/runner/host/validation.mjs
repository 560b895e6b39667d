// Arguments are checked in the words of the backend (crates/common/src/schemas/validator.rs).
import { BackendError } from "./errors.mjs";

/** Throws what the backend says of arguments that a function does not take; the validator is an exported one. */
export function checkArguments(validator, args) {
  const wrong = mismatch(validator, args, "");
  if (wrong) {
    throw new BackendError(`ArgumentValidationError: ${wrong}`);
  }
}

/** Throws what the backend says of a value that a function may not return; null is no validator. */
export function checkValue(validator, value) {
  const wrong = validator && mismatch(validator, value, "");
  if (wrong) {
    throw new BackendError(`ReturnsValidationError: ${wrong}`);
  }
}

const types = { null: "null", number: "float64", bigint: "int64", boolean: "boolean", string: "string", bytes: "bytes" };

/** Returns what is wrong with a value, "" for nothing; the path is where it is in the arguments. */
function mismatch(validator, value, path) {
  const context = path ? `Path: ${path}` : "";
  const noMatch = `Value does not match validator.\n${context}\nValue: ${show(value)}\nValidator: ${name(validator)}`;
  switch (validator.type) {
    case "any":
      return "";
    case "id":
      return typeof value === "string" ? wrongTable(validator, value, context) || (tableOf(value) ? "" : noMatch) : noMatch;
    case "literal":
      return value === validator.value ? "" : `\`${show(value)}\` does not match literal validator \`${name(validator)}\`.${context}`;
    case "array":
      return Array.isArray(value) ? first(value.map((one, i) => [validator.value, one, `${path}[${i}]`])) : noMatch;
    case "record":
      return plain(value)
        ? first(
            Object.entries(value).flatMap(([key, one]) => [
              [validator.keys, key, `${path}.keys()`],
              [validator.values.fieldType ?? validator.values, one, `${path}.values()`],
            ]),
          )
        : noMatch;
    case "object":
      return plain(value) ? wrongFields(validator, value, path, context) : noMatch;
    case "union":
      return validator.value.some((one) => !mismatch(one, value, path)) ? "" : noMatch;
    default:
      return typeOf(value) === (validator.type === "commitTs" ? "bigint" : validator.type) ? "" : noMatch;
  }
}

function first(checks) {
  for (const [validator, value, path] of checks) {
    const wrong = mismatch(validator, value, path);
    if (wrong) {
      return wrong;
    }
  }
  return "";
}

function wrongFields(validator, value, path, context) {
  const fields = Object.entries(validator.value).sort(([a], [b]) => (a < b ? -1 : 1));
  const about = `\n${context}\nObject: ${show(value)}\nValidator: ${name(validator)}`;
  for (const [field, { fieldType, optional }] of fields) {
    if (value[field] !== undefined) {
      const wrong = mismatch(fieldType, value[field], `${path}.${field}`);
      if (wrong) {
        return wrong;
      }
    } else if (!optional) {
      return `Object is missing the required field \`${field}\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.${about}`;
    }
  }
  const extra = Object.keys(value).find((field) => !(field in validator.value));
  return extra === undefined ? "" : `Object contains extra field \`${extra}\` that is not in the validator.${about}`;
}

const tableOf = (id) => /^\d+(\D.*)$/.exec(id)?.[1];

function wrongTable({ tableName }, id, context) {
  const table = tableOf(id);
  return !table || table === tableName
    ? ""
    : `Found ID "${id}" from table \`${table}\`, which does not match the table name in validator \`v.id("${tableName}")\`.${context}`;
}

const plain = (value) => typeOf(value) === "object";

function typeOf(value) {
  if (value === null) {
    return "null";
  }
  if (value instanceof ArrayBuffer) {
    return "bytes";
  }
  if (value?.constructor?.name === "CommitTsPlaceholder") {
    return "bigint"; // what it is when it is committed
  }
  return Array.isArray(value) ? "array" : typeof value;
}

/** A validator as one writes it. */
function name(validator) {
  switch (validator.type) {
    case "id":
      return `v.id("${validator.tableName}")`;
    case "any":
      return "v.any()";
    case "literal":
      return `v.literal(${show(validator.value)})`;
    case "array":
      return `v.array(${name(validator.value)})`;
    case "record":
      return `v.record(${name(validator.keys)}, ${name(validator.values.fieldType ?? validator.values)})`;
    case "object":
      return `v.object({${fieldNames(validator)}})`;
    case "union":
      return `v.union(${validator.value.map(name).join(", ")})`;
    default:
      return `v.${types[validator.type] ?? validator.type}()`;
  }
}

const fieldNames = (validator) =>
  Object.entries(validator.value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([field, { fieldType, optional }]) => `${field}: ${optional ? `v.optional(${name(fieldType)})` : name(fieldType)}`)
    .join(", ");

/** A value as the backend prints it. */
function show(value) {
  switch (typeOf(value)) {
    case "number":
      return Number.isInteger(value) ? value.toFixed(1) : String(value);
    case "string":
      return JSON.stringify(value);
    case "bytes":
      return `b"${Buffer.from(value).toString("latin1")}"`;
    case "array":
      return `[${value.map(show).join(", ")}]`;
    case "object":
      return `{${Object.keys(value).sort().filter((key) => value[key] !== undefined).map((key) => `${key}: ${show(value[key])}`).join(", ")}}`;
    default:
      return String(value);
  }
}
