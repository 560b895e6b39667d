import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const users = defineTable({ email: v.string() }).index("by_email", ["email"]);

export default defineSchema({
  notes: defineTable({
    author: v.string(),
    body: v.string(),
    embedding: v.optional(v.array(v.float64())),
  })
    .index("by_author", ["author"])
    .searchIndex("search_body", { searchField: "body", filterFields: ["author"] })
    .vectorIndex("by_embedding", { vectorField: "embedding", dimensions: 8, filterFields: ["author"] }),
  users,
});
