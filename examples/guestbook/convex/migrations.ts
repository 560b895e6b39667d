import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation } from "./_generated/server";

/**
 * Brings data written by older versions up to date. Meant to run after each deploy: what is done already is
 * found done and left alone.
 */
export const runAll = internalMutation({
  args: {},
  returns: v.object({ embeddingsScheduled: v.number() }),
  handler: async (ctx) => {
    const missing = await ctx.db
      .query("entries")
      .filter((q) => q.eq(q.field("embedding"), undefined))
      .take(100);
    for (const entry of missing) {
      await ctx.scheduler.runAfter(0, internal.embeddings.embed, { entryId: entry._id });
    }
    if (missing.length > 0) {
      await ctx.db.insert("migrationRuns", { name: "embeddings", changed: missing.length });
    }
    return { embeddingsScheduled: missing.length };
  },
});
