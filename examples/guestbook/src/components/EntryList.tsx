import { useDeferredValue, useState } from "react";
import { useEntries } from "../lib/entries";
import { BackendNotice } from "./BackendNotice";
import { EntryCard, type Entry } from "./EntryCard";

export function EntryList() {
  const [words, setWords] = useState("");
  const entries = useEntries(useDeferredValue(words.trim()));
  return (
    <section className="entries" aria-label="Entries">
      <div className="entries-head">
        <h2>What guests wrote</h2>
        <input
          type="search"
          aria-label="Search the entries"
          placeholder="Search"
          value={words}
          onChange={(event) => setWords(event.target.value)}
        />
      </div>
      <Entries entries={entries} searching={words.trim() !== ""} />
    </section>
  );
}

function Entries({ entries, searching }: { entries: Entry[] | Error | undefined; searching: boolean }) {
  if (entries === undefined) {
    return <BlankPage />;
  }
  if (entries instanceof Error) {
    return (
      <>
        <BackendNotice error={entries} />
        <BlankPage />
      </>
    );
  }
  if (entries.length === 0) {
    return <p className="empty">{searching ? "Nobody wrote that yet." : "The first page is yours."}</p>;
  }
  return (
    <ol className="cards">
      {entries.map((entry) => (
        <EntryCard key={entry._id} entry={entry} />
      ))}
    </ol>
  );
}

function BlankPage() {
  return (
    <ol className="cards blank" aria-hidden="true">
      {[3, 2, 4, 2].map((lines, card) => (
        <li key={card} className="card">
          {Array.from({ length: lines }, (_, line) => (
            <span key={line} className="rule" />
          ))}
        </li>
      ))}
    </ol>
  );
}
