import { noteText } from "@workspace/shared";
import { mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

export const list = queryGeneric({
  args: {},
  handler: (ctx) => ctx.db.query("notes").order("desc").take(20),
});

export const leave = mutationGeneric({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("notes", { text: noteText.parse(text) });
  },
});
