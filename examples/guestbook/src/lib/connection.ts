import { type ConvexReactClient, useConvex } from "convex/react";
import { useCallback, useSyncExternalStore } from "react";

export type Connection = "connecting" | "connected" | "reconnecting";

/** The state of the page's socket to convex. On the server, which opens none, it is "connecting". */
export function useConnection(): Connection {
  const convex = useConvex();
  const subscribe = useCallback((changed: () => void) => convex.subscribeToConnectionState(changed), [convex]);
  return useSyncExternalStore(
    subscribe,
    () => connectionOf(convex),
    () => "connecting",
  );
}

function connectionOf(convex: ConvexReactClient): Connection {
  const { isWebSocketConnected, hasEverConnected } = convex.connectionState();
  if (isWebSocketConnected) {
    return "connected";
  }
  return hasEverConnected ? "reconnecting" : "connecting";
}
