/** PostgreSQL with passwords, and with an order of text that is not that of bytes. */
import type { SystemPackage } from "../../examples/system_packages.ts";
import type { ServerKind } from "./shared.ts";
import { Daemon, freePort, run, type StartedServer, untilReady } from "./started.ts";

/** Where Debian keeps the programs of each release. */
const RELEASES = "/usr/lib/postgresql";
const USER = "postgres";
const PASSWORD = "p@ss word";

/** What it is installed from. */
export const POSTGRES_PACKAGE: SystemPackage = {
  name: "postgresql",
  isThere: () => programs() !== undefined,
};

/** Where `initdb` and the others are. */
function programs(): string | undefined {
  try {
    const releases = [...Deno.readDirSync(RELEASES)].map(({ name }) => Number(name));
    const newest = Math.max(...releases.filter((it) => Number.isInteger(it)));
    const folder = `${RELEASES}/${newest}/bin`;
    return Deno.statSync(`${folder}/initdb`).isFile ? folder : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** PostgreSQL does not run as root; Debian's package makes a user for it. */
function asItsUser(program: string, args: readonly string[]): readonly [string, string[]] {
  if (Deno.uid() !== 0) return [program, [...args]];
  const user = [`--reuid=${USER}`, `--regid=${USER}`, "--init-groups"];
  return ["setpriv", [...user, "--", program, ...args]];
}

/** A server that can be ended and started again where it was. */
export interface PostgresServer extends StartedServer {
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** Starts it again, on the same port. */
  restart(): Promise<void>;
}

/** Starts one; takes some 2 s. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = programs()!;
  await using begun = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "postgres" });
  begun.defer(() => Deno.remove(folder, { recursive: true }));
  const passwordFile = `${folder}/password`;
  await Deno.writeTextFile(passwordFile, PASSWORD);
  if (Deno.uid() === 0) await run("chown", "-R", USER, folder);
  const data = `${folder}/data`;
  const text = ["--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en-US"];
  const access = ["--auth=scram-sha-256", `--username=${USER}`, `--pwfile=${passwordFile}`];
  const [initdb, args] = asItsUser(`${bin}/initdb`, ["-D", data, "--no-sync", ...text, ...access]);
  await run(initdb, ...args);
  const port = freePort();
  const url = `postgres://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`;
  const options = {
    listen_addresses: "127.0.0.1",
    port: `${port}`,
    unix_socket_directories: folder,
    max_connections: "300",
    shared_buffers: "32MB",
    fsync: "off",
  };
  const said = Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const [postgres, its] = asItsUser(`${bin}/postgres`, ["-D", data, ...said]);
  let daemon: Daemon;
  const start = async () => {
    daemon = new Daemon(postgres, its);
    const ready = ["-q", "-h", "127.0.0.1", "-p", `${port}`];
    await daemon.needed(
      "postgres",
      untilReady("postgres", () => run(`${bin}/pg_isready`, ...ready)),
    );
  };
  begun.defer(() => daemon[Symbol.asyncDispose]());
  await start();
  const owned = begun.move();
  return {
    url,
    kill: async () => {
      // Its processes for connections go as well: without it they answer for a moment more.
      const [stop, its] = asItsUser(`${bin}/pg_ctl`, ["-D", data, "-m", "immediate", "stop"]);
      await run(stop, ...its);
      await daemon[Symbol.asyncDispose]();
    },
    restart: start,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** PostgreSQL, one for all files; each test takes a schema of its own. */
export const POSTGRES: ServerKind = {
  name: "PostgreSQL",
  variable: "SIGMAVAULT_TEST_POSTGRES",
  whyNot: () => POSTGRES_PACKAGE.isThere() ? undefined : "postgresql not installed",
  start: startPostgres,
};
