import { type Connection, useConnection } from "../lib/connection";
import { useEntries } from "../lib/entries";

const wording: Record<Connection, string> = {
  connecting: "Connecting…",
  connected: "Live",
  reconnecting: "Reconnecting…",
};

/** Says "Live" only while the socket is open and the backend runs the query behind the list. */
export function ConnectionBadge() {
  const connection = useConnection();
  const entries = useEntries("");
  const live = Array.isArray(entries);
  const text = connection === "connected" && !live ? (entries ? "Connected, not live" : "Connecting…") : wording[connection];
  return (
    <p className="badge" data-connection={connection} data-live={connection === "connected" && live} role="status">
      <span className="badge-dot" aria-hidden="true" />
      {text}
    </p>
  );
}
