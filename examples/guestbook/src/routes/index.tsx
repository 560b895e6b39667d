import { createFileRoute } from "@tanstack/react-router";
import { ConnectionBadge } from "../components/ConnectionBadge";
import { EntryList } from "../components/EntryList";
import { ServiceFacts } from "../components/ServiceFacts";
import { SignForm } from "../components/SignForm";

export const Route = createFileRoute("/")({ component: Guestbook });

function Guestbook() {
  return (
    <div className="book">
      <header className="masthead">
        <div>
          <h1>Guestbook</h1>
          <p className="tagline">Leave a line for whoever comes next.</p>
        </div>
        <ConnectionBadge />
      </header>
      <main className="spread">
        <SignForm />
        <EntryList />
      </main>
      <ServiceFacts />
    </div>
  );
}
