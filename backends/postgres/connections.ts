import process from "node:process";
import type { Options, Sql } from "postgres";
import { VaultError } from "../../core/errors.ts";
import { CallLine } from "../../core/objects/call_lines.ts";
import { isUnavailable } from "../../core/storage/store_failures.ts";
import { loadClient } from "../remote/load_client.ts";
import { TimeLimitError, within } from "../../core/storage/time_limit.ts";
import type { PostgresConfig } from "./config.ts";
import { postgresFailure } from "./failure.ts";
import { type MakeClient, type Place, Session, type Statements } from "./session.ts";
import { DEFAULT_SCHEMA, hasTables, makeTables, noTables } from "./schema.ts";

/** Of one program; a server has a hundred unless it is told otherwise. */
const CONNECTIONS_MAX = 4;
const TIME_LIMIT_SECONDS = 20;
/** What a server that gives a statement up may need to say so. */
const GRACE_MS = 1000;
/** After so long without use a connection is closed. */
const IDLE_MS = 60_000;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[?::1\]?)$/;
/** Before the second try of a transaction, the third, and so on. */
const WAITS_MS = [50, 200, 800, 2000];

/** Connections to one database, made when they are needed and again when they break. */
export class PostgresConnections {
  /** For people: no password, no user. */
  readonly place: string;
  readonly #open: () => Promise<Session>;
  readonly #schema: string;
  readonly #limitMs: number;
  readonly #idle: { readonly session: Session; readonly timer: ReturnType<typeof setTimeout> }[] =
    [];
  #isClosed = false;
  /** More transactions wait, so that a time limit is not spent with waiting. */
  readonly #line = new CallLine(CONNECTIONS_MAX);

  /** Use {@linkcode openConnections}. */
  constructor(place: string, open: () => Promise<Session>, config: PostgresConfig) {
    this.place = place;
    this.#open = open;
    this.#schema = config.schema ?? DEFAULT_SCHEMA;
    this.#limitMs = limitMsOf(config);
  }

  /** Makes the tables where they are not there. */
  async prepare(): Promise<void> {
    if (await this.transaction(hasTables)) return;
    await this.transaction((sql) => makeTables(sql, this.#schema));
    if (!await this.transaction(hasTables)) throw noTables(this.#schema);
  }

  /**
   * One transaction. `work` is done again where the connection breaks, also where only the answer was lost: doing it twice must be as
   * good as once.
   */
  async transaction<T>(work: (sql: Statements) => Promise<T>): Promise<T> {
    return await this.#line.take({}, () => this.#tried(work));
  }

  async #tried<T>(work: (sql: Statements) => Promise<T>): Promise<T> {
    const end = performance.now() + this.#limitMs;
    for (const wait of WAITS_MS) {
      try {
        return await this.#once(work);
      } catch (error) {
        const isOver = this.#isClosed || performance.now() + wait > end;
        if (isOver || !isUnavailable(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    return await this.#once(work);
  }

  async #once<T>(work: (sql: Statements) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new VaultError("invalid", "Cannot use the catalogue: it is closed");
    const limit = `${this.#limitMs}`;
    const settings = {
      search_path: this.#schema,
      statement_timeout: limit,
      idle_in_transaction_session_timeout: limit,
    };
    let session: Session | undefined;
    try {
      const used = session = this.#taken() ?? await this.#open();
      // A server that answers gives up first, so that its reason is told.
      const milliseconds = this.#limitMs + GRACE_MS;
      return await within({ milliseconds }, () => used.transaction(settings, work));
    } catch (error) {
      if (error instanceof TimeLimitError) session?.break();
      throw postgresFailure(error, this.place);
    } finally {
      if (session !== undefined) await this.#giveBack(session);
    }
  }

  #taken(): Session | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      clearTimeout(idle.timer);
      if (idle.session.isUsable) return idle.session;
    }
  }

  async #giveBack(session: Session): Promise<void> {
    if (!session.isUsable) return;
    if (this.#isClosed) return await session.close();
    const timer = setTimeout(() => {
      const at = this.#idle.findIndex((idle) => idle.session === session);
      this.#idle.splice(at, 1);
      void session.close();
    }, IDLE_MS);
    this.#idle.push({ session, timer });
  }

  /** Ends all connections; what is under way ends first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (let session = this.#taken(); session !== undefined; session = this.#taken()) {
      await session.close();
    }
  }
}

function limitMsOf({ timeLimitSeconds = TIME_LIMIT_SECONDS }: PostgresConfig): number {
  return timeLimitSeconds * 1000;
}

/** Connections to what a configuration and the environment name; none is made yet. */
export async function openConnections(config: PostgresConfig): Promise<PostgresConnections> {
  const { default: client } = await loadClient("postgres", () => import("postgres"));
  const { url } = config;
  const connect = (options: Options<Record<string, never>>): Sql =>
    url === undefined ? client(options) : client(url, options);
  try {
    // Makes no connection, and knows what the URL and the environment say.
    const { options } = connect({});
    const place = placeOf(options);
    const ssl = encryptionOf(place, url);
    const connect_timeout = limitMsOf(config) / 1000;
    const connection = { application_name: process.env.PGAPPNAME ?? "sigmavault" };
    const only = {
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      connect_timeout,
      connection,
    };
    const make: MakeClient = (socket) => {
      const { host, port } = place.hosts[0];
      return connect({ ...only, host, port, onnotice: () => {}, ...ssl, ...socket });
    };
    const where = `"${textOf(place)}/${options.database}"`;
    const open = () => Session.open(place, make, limitMsOf(config));
    return new PostgresConnections(where, open, config);
  } catch (error) {
    if (error instanceof Error && error.name === "NotCapable") {
      throw postgresFailure(error, "PostgreSQL");
    }
    // The client quotes the URL, which has a password.
    throw new VaultError("invalid", "Cannot open the catalogue: its URL cannot be read", {
      provider: "postgres",
    });
  }
}

function placeOf({ path, host, port }: Sql["options"]): Place {
  const ports = [port].flat();
  const hosts = [host].flat().map((each, i) => ({ host: each ?? "localhost", port: ports[i]! }));
  return { path: path || null, hosts };
}

function textOf({ path, hosts }: Place): string {
  return path ?? hosts.map(({ host, port }) => `${host}:${port}`).join(",");
}

/** Where nothing says how, what leaves this machine is encrypted, and the server proves its name. */
function encryptionOf({ path, hosts }: Place, url = ""): Options<Record<string, never>> {
  if (/[?&]ssl(mode|rootcert)?=/.test(url)) return {};
  const mode = process.env.PGSSLMODE;
  if (mode === "disable") return { ssl: false };
  if (mode === "allow" || mode === "prefer" || mode === "require") return { ssl: mode };
  if (process.env.PGSSL && !mode) return {};
  const isLocal = path !== null || hosts.every(({ host }) => LOOPBACK.test(host));
  return isLocal && !mode ? {} : { ssl: "verify-full" };
}
