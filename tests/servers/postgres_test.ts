/** The catalogue in PostgreSQL where its server is away, hangs, refuses or is another one than meant. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { openPostgresCatalogue } from "../../backends/postgres/catalogue.ts";
import { openConnections } from "../../backends/postgres/connections.ts";
import { createStorage } from "../../backends/storage.ts";
import { VaultError } from "../../core/errors.ts";
import { catalogued, note } from "../contract/catalogue.ts";
import { collectGarbage } from "../support/garbage.ts";
import { POSTGRES, type PostgresServer, startPostgres } from "./postgres.ts";

const missing = POSTGRES.whyNot();
/** Of its own: these tests end its connections. */
let server: PostgresServer;

if (missing === undefined) {
  Deno.test.beforeAll(async () => void (server = await startPostgres()));
  Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());
}

function postgresTest(name: string, body: () => Promise<void>): void {
  const why = missing === undefined ? "" : ` (skipped: ${missing})`;
  // The client's timer for a handshake that was refused outlives it, and now and then the test.
  const ownTime = { sanitizeOps: false, sanitizeResources: false };
  const ignore = missing !== undefined;
  Deno.test({ name: `postgres: ${name}${why}`, ignore, fn: body, ...ownTime });
}

function freshSchema(): string {
  return `test_${crypto.randomUUID().replaceAll("-", "")}`;
}

/** As the administrator, besides the catalogue. */
async function administer<T>(
  work: (sql: postgres.Sql) => Promise<T>,
  database = "postgres",
): Promise<T> {
  const sql = postgres(server.url, { database, max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** The server's address with parts of its own. */
function address(change: (url: URL) => void): string {
  const url = new URL(server.url);
  change(url);
  return url.href;
}

/** Of a connection that was closed, the process ends a moment later. */
function signalIfThere(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function refused(url: string, kind: VaultError["kind"], message: RegExp, schema?: string) {
  const error: unknown = await openPostgresCatalogue({ url, schema, timeLimitSeconds: 2 }).then(
    (opened) => opened.close(),
    (error) => error,
  );
  assert.ok(error instanceof VaultError, `${error}`);
  assert.equal(error.kind, kind, error.message);
  assert.match(error.message, message);
  assert.doesNotMatch(Deno.inspect(error), /p@ss|p%40ss|hunter2/);
}

postgresTest(
  "connections that the server ends are made again, in the middle of work too",
  async () => {
    const catalogue = await openPostgresCatalogue({ url: server.url, schema: freshSchema() });
    const end = () =>
      administer((sql) =>
        sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'sigmavault'`
      );
    let isWorking = true;
    const ending = (async () => {
      for (let i = 0; i < 5; i++) await end();
      isWorking = false;
    })();
    let noted = 0;
    while (isWorking) {
      const path = `${noted++}`;
      const announced = await catalogue.announce({ path, provider: "p" });
      // Where an answer is lost, it may have been settled: then it is looked at.
      while (!await catalogue.settle(announced, catalogued({ path }))) {
        await catalogue.look(
          announced,
        );
      }
    }
    await ending;
    const { files } = await catalogue.search({});
    assert.equal(files.length, Math.min(noted, 1000));
    assert.deepEqual(await catalogue.announced(), []);
    await catalogue.close();
  },
);

postgresTest("a connection keeps nothing of the transactions that it has done", async () => {
  const connections = await openConnections({ url: server.url, schema: freshSchema() });
  const select = async () => new WeakRef(await connections.transaction((sql) => sql`SELECT 1`));
  const given = await select();
  await select();
  await collectGarbage();
  assert.equal(given.deref(), undefined);
  await connections.close();
});

postgresTest("while the server is away it is unavailable, and works when it is back", async () => {
  await using mortal = await startPostgres();
  const storage = await createStorage({
    providers: { it: { type: "memory" } },
    retry: { attempts: 1 },
    catalogue: { type: "postgres", url: mortal.url, timeLimitSeconds: 1 },
  });
  await storage.upload("kept", "x", { tags: { a: "b" } });
  await mortal.kill();
  await assert.rejects(storage.upload("not noted", "x"), { kind: "unavailable" });
  await assert.rejects(storage.search({}), { kind: "unavailable" });
  const health = async () =>
    (await storage.health()).map(({ provider, healthy }) => ({ provider, healthy }));
  assert.deepEqual(await health(), [
    { provider: "it", healthy: true },
    { provider: "(catalogue)", healthy: false },
  ]);
  await mortal.restart();
  assert.deepEqual((await health()).map(({ healthy }) => healthy), [true, true]);
  assert.equal(await storage.exists("not noted"), false);
  const { files } = await storage.search({ tags: { a: "b" } });
  assert.deepEqual(files.map(({ path }) => path), ["kept"]);
  await storage.close();
});

postgresTest(
  "a server that hangs is given up in time, and used again when it goes on",
  async () => {
    const options = { url: server.url, schema: freshSchema(), timeLimitSeconds: 1 };
    const catalogue = await openPostgresCatalogue(options);
    await note(catalogue, catalogued());
    const pids = await administer((sql) =>
      sql`SELECT pid FROM pg_stat_activity
      WHERE application_name = 'sigmavault'`
    );
    assert.ok(pids.length > 0);
    const signal = (name: Deno.Signal) => {
      for (const { pid } of pids) signalIfThere(pid, name);
    };
    signal("SIGSTOP");
    await assert.rejects(catalogue.search({}), { kind: "unavailable" });
    // Other connections are made in their place.
    assert.equal((await catalogue.search({})).files.length, 1);
    signal("SIGCONT");
    await catalogue.check();
    await catalogue.close();
  },
);

postgresTest("who waits for another machine waits for a limited time, and says so", async () => {
  const schema = freshSchema();
  const options = { url: server.url, schema, timeLimitSeconds: 1 };
  const catalogue = await openPostgresCatalogue(options);
  await administer((sql) =>
    sql.begin(async (sql) => {
      await sql`LOCK TABLE ${sql(schema)}.announcements`;
      await assert.rejects(catalogue.announce({ path: "x", provider: "p" }), {
        kind: "unavailable",
        message: /statement timeout \(57014\)$/,
      });
    })
  );
  await note(catalogue, catalogued());
  await catalogue.close();
});

postgresTest("no answer and no error tells a secret", async () => {
  await refused(address((url) => url.password = "hunter2"), "denied", /authentication failed/);
  await refused(address((url) => url.pathname = "/none"), "missing", /"none" does not exist/);
  await refused(address((url) => url.port = "1"), "unavailable", /ECONNREFUSED/);
  await refused("postgres://u:hunter2@[nonsense/db", "invalid", /its URL cannot be read/);
  const settings = { providers: { a: { type: "memory" } } } as const;
  const wrong = [
    { type: "postgres", url: "mysql://u:hunter2@h/db" },
    { type: "postgres", url: server.url, schema: 'a"; DROP TABLE hunter2; --' },
  ] as const;
  for (const catalogue of wrong) {
    const error = await createStorage({ ...settings, catalogue }).catch((error) => error);
    assert.equal(error.kind, "invalid");
    assert.match(error.message, /catalogue\.(url|schema): want/);
    assert.doesNotMatch(Deno.inspect(error), /hunter2/);
  }
});

postgresTest("what leaves this machine is encrypted, or the URL says that it is not", async () => {
  // This server has no certificate, and 0.0.0.0 is not known to be this machine.
  const outside = (query: string) =>
    address((url) => [url.hostname, url.search] = ["0.0.0.0", query]);
  const schema = freshSchema();
  await refused(outside(""), "unavailable", /cannot be reached/, schema);
  await refused(outside("?sslmode=verify-full"), "unavailable", /cannot be reached/, schema);
  const url = outside("?sslmode=disable");
  await (await openPostgresCatalogue({ url, schema })).close();
});

postgresTest("who may not make tables may use those that are there", async () => {
  const schema = freshSchema();
  const user = `user_${schema}`;
  await administer((sql) => sql.unsafe(`CREATE ROLE ${user} LOGIN PASSWORD 'hunter2'`));
  const url = address((url) => [url.username, url.password] = [user, "hunter2"]);
  await refused(url, "denied", /permission denied for database/, schema);
  await (await openPostgresCatalogue({ url: server.url, schema })).close();
  await refused(url, "denied", /its role may not use schema/, schema);
  await administer((sql) =>
    sql.unsafe(`GRANT USAGE ON SCHEMA ${schema} TO ${user};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${user}`)
  );
  const catalogue = await openPostgresCatalogue({ url, schema });
  await note(catalogue, catalogued());
  assert.equal((await catalogue.search({})).files.length, 1);
  assert.equal(await (await catalogue.beginReindex("p")).end(), 1);
  await catalogue.close();
});

postgresTest("tables of others, and databases that cannot keep all text, are refused", async () => {
  const [others, later] = [freshSchema(), freshSchema()];
  await administer((sql) => sql.unsafe(`CREATE SCHEMA ${others}; CREATE TABLE ${others}.files ()`));
  await refused(server.url, "invalid", /has other tables/, others);
  await (await openPostgresCatalogue({ url: server.url, schema: later })).close();
  await administer((sql) => sql.unsafe(`UPDATE ${later}.layout SET number = '2'`));
  await refused(server.url, "invalid", /of another program or release/, later);
  await administer((sql) =>
    sql.unsafe("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
  );
  const url = address((url) => url.pathname = "/latin");
  await refused(url, "invalid", /LATIN1: want UTF8/);
});

postgresTest("many that open it for the first time make its tables once", async () => {
  const options = { url: server.url, schema: freshSchema() };
  const opened = await Promise.all(Array.from({ length: 8 }, () => openPostgresCatalogue(options)));
  await Promise.all(opened.map((each, i) => note(each, catalogued({ path: `${i}` }))));
  assert.equal((await opened[0].search({})).files.length, 8);
  for (const each of opened) await each.close();
});

/** What a program prints that searches by the catalogue which the environment names. */
async function searchedWith(flags: readonly string[], host: string): Promise<string> {
  const { port, password } = new URL(server.url);
  const program = new URL("catalogue_program.ts", import.meta.url).href;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...flags, program, freshSchema()],
    env: {
      NO_COLOR: "1",
      PGHOST: host,
      PGPORT: port,
      PGUSER: "postgres",
      PGPASSWORD: decodeURIComponent(password),
      PGDATABASE: "postgres",
    },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return text.decode(stdout) + text.decode(stderr);
}

postgresTest(
  "the environment names it as for every client, and README's flags are enough",
  async () => {
    const flags = ["--allow-net=127.0.0.1", "--allow-env"];
    assert.equal(await searchedWith(flags, "127.0.0.1"), "a/b\n");
    assert.match(await searchedWith(["--allow-env"], "127.0.0.1"), /VaultError: .*program may not/);
  },
);

postgresTest("it is reached by a socket of this machine, too", async () => {
  const [{ folder }] = await administer((sql) =>
    sql`SELECT current_setting('unix_socket_directories') AS folder`
  );
  assert.equal(await searchedWith(["--allow-all"], folder), "a/b\n");
});
