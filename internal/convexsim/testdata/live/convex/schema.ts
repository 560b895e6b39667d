import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  entries: defineTable({ author: v.string(), text: v.string(), number: v.optional(v.int64()) })
    .index("by_author", ["author"])
    .searchIndex("search_text", { searchField: "text" }),
  files: defineTable({ file: v.id("_storage") }),
});
