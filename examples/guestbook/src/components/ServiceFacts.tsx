import { basePath } from "../lib/base-path";
import { type Connection, useConnection } from "../lib/connection";
import { useServerFacts } from "../lib/server-facts";

const wording: Record<Connection, string> = {
  connecting: "opening the socket",
  connected: "socket open",
  reconnecting: "socket lost, trying again",
};

/** Says which service answers what on this page, for whoever runs the stack. */
export function ServiceFacts() {
  const facts = useServerFacts();
  const connection = useConnection();
  return (
    <footer className="facts">
      <dl>
        <div>
          <dt>Platform</dt>
          <dd>{facts ? `build ${facts.buildId}, up since ${clock(facts.startedAt)}` : "rendered this page"}</dd>
        </div>
        <div>
          <dt>Convex</dt>
          <dd>
            {wording[connection]} at <code>{basePath}/ws_api</code>
          </dd>
        </div>
        <div>
          <dt>HTTP action</dt>
          <dd>
            <a href={`${basePath}/api/guestbook`}>/api/guestbook</a>
          </dd>
        </div>
      </dl>
    </footer>
  );
}

function clock(instant: string) {
  return new Date(instant).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
