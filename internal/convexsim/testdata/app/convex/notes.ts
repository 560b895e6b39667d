import { internalMutationGeneric, mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

export const list = queryGeneric({
  args: {},
  handler: async (ctx) => ctx.db.query("notes").collect(),
});

export const add = mutationGeneric({
  args: { body: v.string() },
  handler: async (ctx, { body }) => {
    await ctx.db.insert("notes", { author: "a", body });
  },
});

export const sweep = internalMutationGeneric({ args: {}, handler: async () => null });
