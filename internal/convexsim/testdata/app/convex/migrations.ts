import { internalActionGeneric } from "convex/server";

export const runAll = internalActionGeneric({ args: {}, handler: async () => null });
