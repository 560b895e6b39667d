import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

/** Changing the number of dimensions rebuilds the vector index. */
export const EMBEDDING_DIMENSIONS = 64;

export const mood = v.union(v.literal("delighted"), v.literal("curious"), v.literal("thoughtful"));

export default defineSchema({
  entries: defineTable({
    author: v.string(),
    message: v.string(),
    mood,
    // Filled by an action after the entry is signed, and by migrations:runAll for older entries.
    embedding: v.optional(v.array(v.float64())),
  })
    .index("by_mood", ["mood"])
    .searchIndex("search_message", { searchField: "message", filterFields: ["mood"] })
    .vectorIndex("by_embedding", {
      vectorField: "embedding",
      dimensions: EMBEDDING_DIMENSIONS,
      filterFields: ["mood"],
    }),

  cheers: defineTable({
    entryId: v.id("entries"),
    visitor: v.string(),
  }).index("by_entry_and_visitor", ["entryId", "visitor"]),

  migrationRuns: defineTable({
    name: v.string(),
    changed: v.number(),
  }).index("by_name", ["name"]),
});
