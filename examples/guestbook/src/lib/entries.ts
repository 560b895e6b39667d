import { type RequestForQueries, useQueries } from "convex/react";
import { useMemo } from "react";
import { api } from "../../convex/_generated/api";
import type { Entry } from "../components/EntryCard";

/**
 * The newest entries, or those with the words; undefined until the backend has answered. A query that fails is handed
 * back as an Error, where useQuery would throw it through the whole page.
 */
export function useEntries(words: string): Entry[] | Error | undefined {
  const queries = useMemo(
    (): RequestForQueries => ({
      entries:
        words === "" ? { query: api.entries.list, args: {} } : { query: api.entries.search, args: { words } },
    }),
    [words],
  );
  return useQueries(queries).entries;
}
