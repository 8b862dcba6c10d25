/** A proxy on loopback in front of a server, whose way to its clients fails as networks and providers do. */

/** What goes wrong with a request. */
export type Fault =
  /** It arrives late. */
  | { readonly kind: "latency"; readonly milliseconds: number }
  /** The connection ends without an answer. */
  | { readonly kind: "reset" }
  /** The proxy answers instead of the server. */
  | { readonly kind: "answer"; readonly status: number; readonly body?: string }
  /** The connection ends after so many bytes of the answer's body. */
  | { readonly kind: "truncated"; readonly bodyBytes: number }
  /** Nothing more comes after so many bytes of the answer's body, or no answer at all. */
  | { readonly kind: "stall"; readonly bodyBytes?: number };

/** What a proxy sees of a request. */
export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly target: string;
}

/** Decides what goes wrong with a request; null: nothing. */
export type FaultPlan = (request: SeenRequest) => Fault | null;

const HEAD_BYTES_MAX = 64 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** The proxy. Every connection carries one request, so that a fault concerns no other. */
export class FaultProxy implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #server: { readonly hostname: string; readonly port: number };
  readonly #open = new Set<Deno.TcpConn>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  readonly #ending = new AbortController();
  /** What happens to the requests to come. */
  plan: FaultPlan = () => null;
  /** All that came. */
  readonly seen: SeenRequest[] = [];

  /** In front of the server at `url`: `http://127.0.0.1:PORT`. */
  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#server = { hostname, port: Number(port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  /** Where clients ask. */
  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Connections that carry a request now. */
  get running(): number {
    return this.#running.size;
  }

  /** The next `times` requests of which `concerns` is true have a fault; then nothing has. */
  fail(
    fault: Fault,
    times: number,
    concerns: (request: SeenRequest) => boolean = () => true,
  ): void {
    let left = times;
    this.plan = (request) => concerns(request) && left-- > 0 ? fault : null;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const serving: Promise<void> = this.#serve(client)
        // A side that has gone is what the proxy is for.
        .catch(() => {})
        .finally(() => {
          this.#close(client);
          this.#running.delete(serving);
        });
      this.#open.add(client);
      this.#running.add(serving);
    }
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const head = await readHead(client);
    if (head === null) return;
    const [method, target] = head.text.split(" ", 2);
    this.seen.push({ method, target });
    const fault = this.plan({ method, target });
    if (fault?.kind === "reset") return;
    if (fault?.kind === "answer") return await answer(client, fault);
    if (fault?.kind === "latency") await this.#pause(fault.milliseconds);
    if (fault?.kind === "stall" && fault.bodyBytes === undefined) return await drain(client);
    const server = await Deno.connect(this.#server);
    this.#open.add(server);
    // Who of the two ends first ends the other.
    const asking = forward(client, server, head).catch(() => {});
    try {
      await this.#pass(server, client, fault);
      if (fault?.kind === "stall") await asking;
    } finally {
      this.#close(server);
      this.#close(client);
      await asking;
    }
  }

  async #pass(server: Deno.TcpConn, client: Deno.TcpConn, fault: Fault | null): Promise<void> {
    const head = await readHead(server);
    if (head === null) return;
    const limit = fault?.kind === "truncated" || fault?.kind === "stall"
      ? fault.bodyBytes ?? 0
      : Infinity;
    await writeAll(client, head.bytes.subarray(0, head.length));
    let body = head.bytes.subarray(head.length), sent = 0;
    while (sent < limit) {
      const part = body.subarray(0, limit - sent);
      await writeAll(client, part);
      sent += part.length;
      const next = new Uint8Array(CHUNK_BYTES);
      const count = sent < limit ? await server.read(next) : null;
      if (count === null) break;
      body = next.subarray(0, count);
    }
  }

  #pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#ending.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
    return promise;
  }

  #close(connection: Deno.TcpConn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  /** Ends it, and all that it still holds open. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.#listener.close();
    for (const connection of [...this.#open]) this.#close(connection);
    await this.#accepting;
    await Promise.all(this.#running);
  }
}

interface Head {
  /** All that was read: the head, and what came with it. */
  readonly bytes: Uint8Array;
  /** Bytes of the head, its empty line included. */
  readonly length: number;
  readonly text: string;
}

/** Reads to the empty line; null where the connection ends before. */
async function readHead(connection: Deno.TcpConn): Promise<Head | null> {
  const bytes = new Uint8Array(HEAD_BYTES_MAX);
  let filled = 0;
  while (filled < HEAD_BYTES_MAX) {
    const count = await connection.read(bytes.subarray(filled));
    if (count === null) return null;
    filled += count;
    const text = new TextDecoder("latin1").decode(bytes.subarray(0, filled));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) {
      const length = end + 4;
      return { bytes: bytes.subarray(0, filled), length, text: text.slice(0, length) };
    }
  }
  return null;
}

/** Passes a request on, the last one of its connection. */
async function forward(client: Deno.TcpConn, server: Deno.TcpConn, head: Head): Promise<void> {
  const lines = head.text.split("\r\n").filter((line) => !/^connection:/i.test(line));
  lines.splice(1, 0, "Connection: close");
  await writeAll(server, Uint8Array.from(lines.join("\r\n"), (it) => it.charCodeAt(0)));
  await writeAll(server, head.bytes.subarray(head.length));
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let count = await client.read(chunk); count !== null; count = await client.read(chunk)) {
    await writeAll(server, chunk.subarray(0, count));
  }
}

async function answer(
  client: Deno.TcpConn,
  { status, body = "" }: { readonly status: number; readonly body?: string },
): Promise<void> {
  const bytes = new TextEncoder().encode(body);
  const type = body.startsWith("{") ? "application/json" : "application/xml";
  const head = [
    `HTTP/1.1 ${status} Fault`,
    `Content-Type: ${type}`,
    `Content-Length: ${bytes.length}`,
    "Connection: close",
    "\r\n",
  ].join("\r\n");
  await writeAll(client, new TextEncoder().encode(head));
  await writeAll(client, bytes);
  await client.closeWrite();
  // Closed with bytes unread, the connection would be reset before the answer is read.
  await drain(client);
}

/** Reads until the other side closes. */
async function drain(connection: Deno.TcpConn): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  while (await connection.read(chunk) !== null);
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
