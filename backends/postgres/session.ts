import net from "node:net";
import type { ISql, Sql } from "postgres";
import { within } from "../../core/storage/time_limit.ts";

/** What statements of a transaction are made with. */
export type Statements = ISql;

/** Where a server may listen: a socket of this machine, or hosts, of which the first that answers is taken. */
export interface Place {
  readonly path: string | null;
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
}

/** A socket that is connected; the client wants to know to what. */
type Connected = net.Socket & { host?: string };

/** Makes a client of one connection, which is `socket` and no other. */
export type MakeClient = (
  socket: { readonly socket: () => net.Socket; readonly onclose: () => void },
) => Sql;

/** The connection is gone; what it was doing may have been done. */
export class LostConnection extends Error {
  override name = "LostConnection";
  readonly code = "CONNECTION_LOST";

  constructor() {
    super("the connection was closed");
  }
}

/**
 * One connection, used until it breaks. The client's own pool would connect again and send the rest of a transaction outside of it, and
 * its own transactions write to connections that have just been closed.
 */
export class Session {
  readonly #sql: Sql;
  readonly #socket: net.Socket;
  /** Tells the transaction that is under way that the connection is gone. */
  #onLost: (error: LostConnection) => void = () => {};
  #isLost = false;

  private constructor(socket: net.Socket, make: MakeClient) {
    this.#socket = socket;
    let isTaken = false;
    const lose = () => {
      this.#isLost = true;
      this.#onLost(new LostConnection());
    };
    socket.once("close", lose);
    const take = () => {
      if (isTaken) throw new LostConnection();
      isTaken = true;
      return socket;
    };
    this.#sql = make({ socket: take, onclose: lose });
  }

  /** Connects, which takes a time limit at most. */
  static async open(place: Place, make: MakeClient, milliseconds: number): Promise<Session> {
    const [first, ...others] = place.path !== null ? [{ path: place.path }] : place.hosts;
    let failure: unknown;
    for (const target of [first, ...others]) {
      try {
        return new Session(await connected(target, milliseconds), make);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  /** False where nothing can be done with it any more. */
  get isUsable(): boolean {
    return !this.#isLost;
  }

  /** One transaction, which sees in each statement what is committed before it; the next one begins when it has ended. */
  async transaction<T>(
    settings: Readonly<Record<string, string>>,
    work: (sql: Statements) => Promise<T>,
  ): Promise<T> {
    if (this.#isLost) throw new LostConnection();
    const all = async () => {
      // All this goes out at once; a statement that fails makes those behind it fail.
      const begun = [
        this.#sql.unsafe("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").execute(),
        ...Object.entries(settings).map(([name, value]) =>
          this.#sql`SELECT set_config(${name}, ${value}, TRUE)`.execute()
        ),
      ];
      try {
        const [value] = await Promise.all([work(this.#sql), ...begun]);
        await this.#sql.unsafe("COMMIT");
        return value;
      } catch (error) {
        if (this.#isLost || isFatal(error)) this.break();
        else await this.#sql.unsafe("ROLLBACK");
        throw error;
      }
    };
    // Of its own: one promise for all would keep what each of them gave, as long as the connection lasts.
    const lost = Promise.withResolvers<never>();
    this.#onLost = lost.reject;
    try {
      return await Promise.race([all(), lost.promise]);
    } finally {
      this.#onLost = () => {};
    }
  }

  /** Ends it at once, whatever it does. */
  break(): void {
    this.#isLost = true;
    this.#socket.destroy();
  }

  /** Ends it when it has nothing to do. */
  async close(): Promise<void> {
    if (!this.#isLost) await this.#sql.end({ timeout: 1 });
    this.break();
  }
}

/** What the server says when it ends a connection, and what it does not say itself. */
function isFatal(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return !("severity" in error) || error.severity !== "ERROR";
}

async function connected(
  target: { readonly path: string } | { readonly host: string; readonly port: number },
  milliseconds: number,
): Promise<Connected> {
  const socket: Connected = net.connect(target);
  try {
    await within({ milliseconds }, () =>
      new Promise((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
      }));
  } catch (error) {
    socket.destroy();
    throw error;
  }
  socket.removeAllListeners();
  if ("host" in target) socket.host = target.host;
  return socket;
}
