"use node";

import { createHash } from "node:crypto";
import { v } from "convex/values";
import { internal } from "./_generated/api";
import type { Doc } from "./_generated/dataModel";
import { action, internalAction } from "./_generated/server";
import { EMBEDDING_DIMENSIONS } from "./schema";

/** Computes the embedding of one entry and stores it. */
export const embed = internalAction({
  args: { entryId: v.id("entries") },
  handler: async (ctx, { entryId }) => {
    const entry = await ctx.runQuery(internal.entries.get, { entryId });
    if (entry) {
      const embedding = embedText(entry.message);
      await ctx.runMutation(internal.entries.setEmbedding, { entryId, embedding });
    }
  },
});

/** The entries that read most like the text, best match first, with a score from -1 to 1. */
export const similar = action({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<{ entry: Doc<"entries"> | null; score: number }[]> => {
    const matches = await ctx.vectorSearch("entries", "by_embedding", {
      vector: embedText(text),
      limit: 5,
    });
    return await Promise.all(
      matches.map(async ({ _id, _score }) => ({
        entry: await ctx.runQuery(internal.entries.get, { entryId: _id }),
        score: _score,
      })),
    );
  },
});

// Feature hashing: each word adds or takes one from the dimension its hash names. It needs no model and no network,
// and texts that share words end up near each other, which is all a guestbook needs.
function embedText(text: string): number[] {
  const vector = new Array<number>(EMBEDDING_DIMENSIONS).fill(0);
  for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) {
    const digest = createHash("sha256").update(word).digest();
    vector[digest.readUInt16BE(0) % EMBEDDING_DIMENSIONS]! += digest[2]! % 2 === 0 ? 1 : -1;
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}
