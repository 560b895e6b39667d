import { useEffect, useState } from "react";
import type { About } from "../../server/health";
import { basePath } from "./base-path";

/** What the web server says about itself; undefined until it has answered. */
export function useServerFacts(): About | undefined {
  const [facts, setFacts] = useState<About>();
  useEffect(() => {
    if (import.meta.env.DEV) {
      return; // Vite's server has no such route
    }
    const request = new AbortController();
    fetch(`${basePath}/about.json`, { signal: request.signal })
      .then((response) => response.json() as Promise<About>)
      .then(setFacts, () => setFacts(undefined));
    return () => request.abort();
  }, []);
  return facts;
}
