import { actionGeneric, makeFunctionReference, mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

export const uploadUrl = mutationGeneric({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });

export const keep = mutationGeneric({
  args: { file: v.id("_storage") },
  handler: async (ctx, { file }) => await ctx.db.insert("files", { file }),
});

export const urls = queryGeneric({
  args: {},
  handler: async (ctx) => await Promise.all((await ctx.db.query("files").collect()).map(({ file }) => ctx.storage.getUrl(file))),
});

export const remove = mutationGeneric({
  args: { file: v.id("_storage") },
  handler: async (ctx, { file }) => await ctx.storage.delete(file),
});

export const write = actionGeneric({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const file = await ctx.storage.store(new Blob([text], { type: "text/plain" }));
    await ctx.runMutation(makeFunctionReference<"mutation">("files:keep") as never, { file } as never);
    return { file, again: await (await ctx.storage.get(file))!.text() };
  },
});
