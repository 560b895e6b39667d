const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const CONVEX_TIMEOUT_MS = 5000;

const startSeconds = Date.now() / 1000 - process.uptime();

/** Counts this server's requests and writes them, with the figures of the process, in Prometheus' text format. */
export class Metrics {
  private readonly requestsByStatus = new Map<number, number>();
  private requestSeconds = 0;

  constructor(
    private readonly buildId: string,
    private readonly pendingRequests: () => number,
  ) {}

  observe(status: number, seconds: number) {
    this.requestsByStatus.set(status, (this.requestsByStatus.get(status) ?? 0) + 1);
    this.requestSeconds += seconds;
  }

  response(): Response {
    return new Response(this.text(), { headers: { "content-type": CONTENT_TYPE, "cache-control": "no-store" } });
  }

  private text(): string {
    const { user, system } = process.cpuUsage();
    const statuses = [...this.requestsByStatus].sort(([a], [b]) => a - b);
    const total = statuses.reduce((sum, [, count]) => sum + count, 0);
    return [
      metric("process_cpu_seconds_total", "counter", "CPU time spent in user and system mode.", (user + system) / 1e6),
      metric("process_resident_memory_bytes", "gauge", "Resident memory.", process.memoryUsage.rss()),
      metric("process_start_time_seconds", "gauge", "Start of the process, in seconds since the epoch.", startSeconds),
      metric("guestbook_build_info", "gauge", "The build that is served.", { [`build_id="${this.buildId}"`]: 1 }),
      metric(
        "http_requests_total",
        "counter",
        "Answered requests by status code.",
        Object.fromEntries(statuses.map(([status, count]) => [`code="${status}"`, count])),
      ),
      metric("http_requests_pending", "gauge", "Requests being answered.", this.pendingRequests()),
      summary("http_request_duration_seconds", "Time until the answer's headers.", this.requestSeconds, total),
    ].join("");
  }
}

/** Passes the metrics of the convex backend on, which no other container can ask for them. */
export async function convexMetricsResponse(convexUrl: string): Promise<Response> {
  const url = `${convexUrl}/metrics`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(CONVEX_TIMEOUT_MS) });
    if (!answer.ok) {
      return badGateway(`cannot read the metrics of convex: ${url} answered ${answer.status}`);
    }
    return new Response(answer.body, {
      headers: { "content-type": answer.headers.get("content-type") ?? CONTENT_TYPE, "cache-control": "no-store" },
    });
  } catch (error) {
    return badGateway(`cannot read the metrics of convex: ${url}: ${error instanceof Error ? error.message : error}`);
  }
}

function badGateway(reason: string): Response {
  return new Response(`${reason}\n`, { status: 502, headers: { "content-type": "text/plain; charset=utf-8" } });
}

function metric(name: string, type: string, help: string, samples: number | Record<string, number>): string {
  const lines =
    typeof samples === "number"
      ? [`${name} ${samples}`]
      : Object.entries(samples).map(([labels, value]) => `${name}{${labels}} ${value}`);
  return `${[`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join("\n")}\n`;
}

function summary(name: string, help: string, sum: number, count: number): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} summary\n${name}_sum ${sum}\n${name}_count ${count}\n`;
}
