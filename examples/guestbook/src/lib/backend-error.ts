import { ConvexError } from "convex/values";

/** The sentence in a failed call that a visitor can use: what the function said, without the client's wrapping. */
export function readableMessage(error: unknown): string {
  if (error instanceof ConvexError && typeof error.data === "string") {
    return error.data;
  }
  const text = error instanceof Error ? error.message : String(error);
  const firstLine = text.split("\n", 1)[0] ?? "";
  return firstLine.replace(/^(\[[^\]]*\]\s*)+/, "") || "The backend gave no reason.";
}

/** Whether the call failed because the backend is the simulator, which takes pushes but runs no functions. */
export function isSimulator(error: unknown): boolean {
  return /simulator|convex-sim/i.test(String(error));
}
