import { useMutation } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "../../convex/_generated/api";
import { moodOf } from "../lib/moods";
import { visitorId } from "../lib/visitor";

export type Entry = FunctionReturnType<typeof api.entries.list>[number];

const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

export function EntryCard({ entry }: { entry: Entry }) {
  const toggleCheer = useMutation(api.entries.toggleCheer);
  const mood = moodOf(entry.mood);
  const written = new Date(entry._creationTime);
  return (
    <li className="card">
      <p className="message">{entry.message}</p>
      <footer>
        <span className="glyph" title={mood.label}>
          {mood.glyph}
        </span>
        <span className="author">{entry.author}</span>
        <time dateTime={written.toISOString()}>{day.format(written)}</time>
        <button
          type="button"
          className="cheer"
          aria-label={`Cheer for ${entry.author}`}
          onClick={() => void toggleCheer({ entryId: entry._id, visitor: visitorId() })}
        >
          ♥ {entry.cheers}
        </button>
      </footer>
    </li>
  );
}
