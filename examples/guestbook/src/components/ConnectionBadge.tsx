import { type Connection, useConnection } from "../lib/connection";

const wording: Record<Connection, string> = {
  connecting: "Connecting…",
  connected: "Live",
  reconnecting: "Reconnecting…",
};

export function ConnectionBadge() {
  const connection = useConnection();
  return (
    <p className="badge" data-connection={connection} role="status">
      <span className="badge-dot" aria-hidden="true" />
      {wording[connection]}
    </p>
  );
}
