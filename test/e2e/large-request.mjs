// Makes a push request of a size: large-request.mjs FILE MEGABYTES <REQUEST. One
// module gets a comment that does not compress.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const [file, megabytes] = process.argv.slice(2);
const request = JSON.parse(readFileSync(0, "utf8"));
const module = request.appDefinition.changedModules.find((each) => each.path === "entries.js");
const missing = Number(megabytes) * 1e6 - JSON.stringify(request).length;
const line = () => `//${randomBytes(900).toString("base64")}\n`;
module.source += Array.from({ length: Math.ceil(missing / 1203) }, line).join("");
writeFileSync(file, JSON.stringify(request));
