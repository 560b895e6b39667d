import { useEffect, useState } from "react";
import type { Health } from "../../server/health";
import { basePath } from "./base-path";

/** What the web server's health route says about itself; undefined until it has answered. */
export function useServerFacts(): Health | undefined {
  const [facts, setFacts] = useState<Health>();
  useEffect(() => {
    if (import.meta.env.DEV) {
      return; // Vite's server has no health route
    }
    const request = new AbortController();
    fetch(`${basePath}/api/health`, { signal: request.signal })
      .then((response) => response.json() as Promise<Health>)
      .then(setFacts, () => setFacts(undefined));
    return () => request.abort();
  }, []);
  return facts;
}
