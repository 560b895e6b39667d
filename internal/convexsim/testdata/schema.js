function O(e) { return new T(e); }
n(O, "defineTable");
var Ho = W({ _storage: O({ sha256: s.string() }) });
// convex/schema.ts
var Fs = W({
  notes: O({ author: s.string(), body: s.string() }).index("by_author", ["author"]).searchIndex("search_body", { searchField: "body", filterFields: ["author"] }).vectorIndex("by_embedding", { vectorField: "embedding", dimensions: 8, filterFields: [] }),
  users: O({ email: s.string() }).index("by_email", ["email"])
});
export {
  Fs as default
};
