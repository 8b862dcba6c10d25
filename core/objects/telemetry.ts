import { systemRuntime } from "../runtime.ts";
import { metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";

/** Tells others what a store does. */
export interface Telemetry {
  /** Runs a call inside a span. */
  observe<T>(call: ObservedCall, work: () => Promise<T>): Promise<T>;
  /** Counts bytes that passed. */
  bytes(provider: string, direction: "read" | "written", count: number): void;
  /** Counts something that went wrong beside the calls. */
  warned(operation: string): void;
}

/** What is observed. */
export interface ObservedCall {
  readonly provider: string;
  /** `put`, `get`. */
  readonly operation: string;
}

const NAME = "sigmavault.storage";

/**
 * Spans and metrics by OpenTelemetry: of nobody, and nearly free, unless the program has set up an exporter. Paths are not told:
 * they may be private.
 */
export function openTelemetry(): Telemetry {
  const tracer = trace.getTracer(NAME);
  const meter = metrics.getMeter(NAME);
  const requests = meter.createCounter(`${NAME}.requests`, { description: "Calls of providers" });
  const bytes = meter.createCounter(`${NAME}.bytes`, { unit: "By" });
  const warnings = meter.createCounter(`${NAME}.warnings`);
  const duration = meter.createHistogram(`${NAME}.duration`, { unit: "ms" });
  return {
    observe: async ({ provider, operation }, work) => {
      const attributes = { "storage.provider": provider, "storage.operation": operation };
      const options = { kind: SpanKind.CLIENT, attributes };
      return await tracer.startActiveSpan(`storage ${operation}`, options, async (span) => {
        const started = systemRuntime.now();
        try {
          return await work();
        } catch (error) {
          const kind = error instanceof Error && "kind" in error ? String(error.kind) : "bug";
          span.setStatus({ code: SpanStatusCode.ERROR, message: kind });
          throw error;
        } finally {
          span.end();
          requests.add(1, attributes);
          duration.record(systemRuntime.now() - started, attributes);
        }
      });
    },
    bytes: (provider, direction, count) => {
      bytes.add(count, { "storage.provider": provider, "storage.direction": direction });
    },
    warned: (operation) => warnings.add(1, { "storage.operation": operation }),
  };
}
