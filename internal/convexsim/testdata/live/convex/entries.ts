import { RateLimiter } from "@convex-dev/rate-limiter";
import {
  actionGeneric,
  componentsGeneric,
  internalActionGeneric,
  internalMutationGeneric,
  internalQueryGeneric,
  makeFunctionReference,
  mutationGeneric,
  paginationOptsValidator,
  queryGeneric,
} from "convex/server";
import { ConvexError, v } from "convex/values";

const limits = new RateLimiter(componentsGeneric().rateLimiter as never, {
  sign: { kind: "token bucket", rate: 3, period: 3_600_000 },
});
const reference = (name: string) => makeFunctionReference<any>(name) as any;

export const list = queryGeneric({ args: {}, handler: async (ctx) => await ctx.db.query("entries").order("desc").collect() });

export const page = queryGeneric({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => await ctx.db.query("entries").order("desc").paginate(paginationOpts),
});

export const search = queryGeneric({
  args: { words: v.string() },
  handler: async (ctx, { words }) =>
    await ctx.db.query("entries").withSearchIndex("search_text", (q) => q.search("text", words)).collect(),
});

export const secret = internalQueryGeneric({ args: {}, handler: async () => "for us alone" });

export const sign = mutationGeneric({
  args: { author: v.string(), text: v.string() },
  handler: async (ctx, args) => {
    console.log("signed by", args.author, { of: [1, null] });
    return await ctx.db.insert("entries", args);
  },
});

export const signRarely = mutationGeneric({
  args: { author: v.string() },
  handler: async (ctx, { author }) => {
    const { ok } = await limits.limit(ctx, "sign", { key: author });
    if (!ok) {
      throw new ConvexError({ wait: 5n, by: author });
    }
    return await ctx.db.insert("entries", { author, text: "rare" });
  },
});

export const poison = mutationGeneric({
  args: { by: v.string() },
  handler: async (_ctx, { by }) => new Function(by)() ?? null,
});

export const fail = mutationGeneric({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("entries", { author: "nobody", text: "rolled back" });
    deeper();
  },
});

export const lie = mutationGeneric({
  args: {},
  returns: v.object({ number: v.number() }),
  handler: async (ctx) => {
    await ctx.db.insert("entries", { author: "nobody", text: "rolled back" });
    return { number: "seven" as never };
  },
});

export const misuse = mutationGeneric({
  args: {},
  handler: async (ctx) => await ctx.runMutation(reference("entries:remark"), { text: 7 }),
});

function deeper() {
  throw new TypeError("boom");
}

export const remark = internalMutationGeneric({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("entries", { author: "the scheduler", text });
  },
});

export const later = mutationGeneric({
  args: { text: v.string(), delay: v.number() },
  handler: async (ctx, { text, delay }) => {
    await ctx.scheduler.runAfter(delay, reference("entries:remark"), { text });
    await ctx.scheduler.runAfter(delay, reference("entries:act"), { text: `${text}, by an action` });
  },
});

export const jobs = queryGeneric({
  args: {},
  handler: async (ctx) => (await ctx.db.system.query("_scheduled_functions").collect()).map((job) => job.state.kind),
});

export const act = internalActionGeneric({
  args: { text: v.string() },
  handler: async (ctx, { text }) => await ctx.runMutation(reference("entries:remark"), { text }),
});

export const count = actionGeneric({
  args: {},
  handler: async (ctx) => ({ entries: BigInt((await ctx.runQuery(reference("entries:list"), {})).length), from: process.env.FROM ?? null }),
});

export const hang = mutationGeneric({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("entries", { author: "nobody", text: "never" });
    for (;;);
  },
});
