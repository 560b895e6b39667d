// The child process of convex-sim's function runner. It gets requests as lines of JSON on its input and answers on its
// output, each with the id of its request; a line without an id is an event. It ends with its input.
import { createInterface } from "node:readline";
import { hearConsole } from "./calls.mjs";

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);
const send = (message) => write(JSON.stringify(message) + "\n");

hearConsole();
const { Runtime } = await import("./runtime.mjs"); // it takes the console as it finds it
const runtime = open();
runtime.catch((error) => console.error(error.message));
process.on("uncaughtException", (error) => console.error("a function left an error behind:", error));
process.on("unhandledRejection", (error) => console.error("a function left a rejected promise behind:", error));

// What is wrong with the documents is told to everybody who asks for anything.
async function open() {
  return new Runtime({ folder: process.argv[2], emit: send });
}

createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on("line", async (line) => {
    const { id, op, request } = JSON.parse(line);
    try {
      send({ id, result: (await (await runtime)[op](request)) ?? null });
    } catch (error) {
      send({ id, error: error?.message ?? String(error) });
    }
  })
  .on("close", () => process.exit());
