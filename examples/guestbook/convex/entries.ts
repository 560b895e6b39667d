import { MINUTE, RateLimiter } from "@convex-dev/rate-limiter";
import { ConvexError, v } from "convex/values";
import { components, internal } from "./_generated/api";
import type { Doc } from "./_generated/dataModel";
import { internalMutation, internalQuery, mutation, query, type QueryCtx } from "./_generated/server";
import { mood } from "./schema";

const PAGE_SIZE = 60;
const MAX_AUTHOR_LENGTH = 60;
const MAX_MESSAGE_LENGTH = 500;

const limits = new RateLimiter(components.rateLimiter, {
  sign: { kind: "token bucket", rate: 6, period: MINUTE, capacity: 3 },
});

/** The newest entries, newest first, each with its number of cheers. */
export const list = query({
  args: { mood: v.optional(mood) },
  handler: async (ctx, args) => {
    const wanted = args.mood;
    const entries =
      wanted === undefined
        ? await ctx.db.query("entries").order("desc").take(PAGE_SIZE)
        : await ctx.db
            .query("entries")
            .withIndex("by_mood", (q) => q.eq("mood", wanted))
            .order("desc")
            .take(PAGE_SIZE);
    return await Promise.all(entries.map((entry) => forReaders(ctx, entry)));
  },
});

/** The entries whose message contains the words, best match first. */
export const search = query({
  args: { words: v.string() },
  handler: async (ctx, { words }) => {
    const entries = await ctx.db
      .query("entries")
      .withSearchIndex("search_message", (q) => q.search("message", words))
      .take(PAGE_SIZE);
    return await Promise.all(entries.map((entry) => forReaders(ctx, entry)));
  },
});

/** Adds an entry. A visitor may sign three times in a row, then six times a minute. */
export const sign = mutation({
  args: { author: v.string(), message: v.string(), mood, visitor: v.string() },
  handler: async (ctx, args) => {
    const author = withinLength("name", args.author, MAX_AUTHOR_LENGTH);
    const message = withinLength("message", args.message, MAX_MESSAGE_LENGTH);
    const { ok, retryAfter } = await limits.limit(ctx, "sign", { key: args.visitor });
    if (!ok) {
      throw new ConvexError(`Please wait ${Math.ceil(retryAfter / 1000)} s before you sign again.`);
    }
    const entryId = await ctx.db.insert("entries", { author, message, mood: args.mood });
    await ctx.scheduler.runAfter(0, internal.embeddings.embed, { entryId });
    return entryId;
  },
});

/** Cheers for an entry, or takes the visitor's cheer back. */
export const toggleCheer = mutation({
  args: { entryId: v.id("entries"), visitor: v.string() },
  handler: async (ctx, { entryId, visitor }) => {
    const given = await ctx.db
      .query("cheers")
      .withIndex("by_entry_and_visitor", (q) => q.eq("entryId", entryId).eq("visitor", visitor))
      .unique();
    if (given) {
      await ctx.db.delete(given._id);
    } else {
      await ctx.db.insert("cheers", { entryId, visitor });
    }
  },
});

export const get = internalQuery({
  args: { entryId: v.id("entries") },
  handler: async (ctx, { entryId }) => await ctx.db.get(entryId),
});

export const setEmbedding = internalMutation({
  args: { entryId: v.id("entries"), embedding: v.array(v.float64()) },
  handler: async (ctx, { entryId, embedding }) => await ctx.db.patch(entryId, { embedding }),
});

async function forReaders(ctx: QueryCtx, entry: Doc<"entries">) {
  const cheers = await ctx.db
    .query("cheers")
    .withIndex("by_entry_and_visitor", (q) => q.eq("entryId", entry._id))
    .collect();
  const { _id, _creationTime, author, message, mood } = entry;
  return { _id, _creationTime, author, message, mood, cheers: cheers.length };
}

function withinLength(field: string, text: string, limit: number) {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.length > limit) {
    throw new ConvexError(`The ${field} needs 1 to ${limit} characters.`);
  }
  return trimmed;
}
