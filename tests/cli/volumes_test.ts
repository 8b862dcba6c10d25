/** volume and snapshot on a medium that nobody has mounted. */
import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";
import { TerminalRun } from "./terminal_run.ts";

/** Runs verbs on the vault with its secret. */
class VolumeWorld implements AsyncDisposable {
  readonly world: CliWorld;

  private constructor(world: CliWorld) {
    this.world = world;
  }

  static async open(): Promise<VolumeWorld> {
    const world = await CliWorld.open();
    await world.create();
    return new VolumeWorld(world);
  }

  /** A verb of one or two words on the vault, or on what is behind `#` in it. */
  arguments(verb: string, view: string, ...more: string[]): string[] {
    const { medium, opens } = this.world;
    const name = view === "" ? medium : `${medium}#${view}`;
    return [...verb.split(" "), name, ...more, ...opens];
  }

  ok(verb: string, view: string, ...more: string[]): Promise<string> {
    return this.world.ok(...this.arguments(verb, view, ...more));
  }

  json<T>(verb: string, view: string, ...more: string[]): Promise<T> {
    return this.world.json<T>(...this.arguments(verb, view, ...more));
  }

  /** Must fail with this code; returns what it says. */
  async fails(code: number, verb: string, view: string, ...more: string[]): Promise<string> {
    const result = await this.world.run(...this.arguments(verb, view, ...more));
    assert.equal(result.code, code, `${verb} ${more.join(" ")}: ${result.stderr}`);
    assert.equal(result.stdout, "");
    return result.stderr;
  }

  /** Stores a file of the machine under a name in the vault. */
  async put(view: string, name: string, text: string): Promise<void> {
    const file = this.world.path("source");
    await Deno.writeTextFile(file, text);
    await this.ok("put", view, file, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

interface Volume {
  readonly name: string;
  readonly isDefault: boolean;
  readonly snapshots: number;
  readonly referencedBytes: number;
  readonly quotaBytes: number;
  readonly accessTimes: string;
}

interface Snapshot {
  readonly name: string;
  readonly time: string;
  readonly referencedBytes: number;
  readonly ownBytes: number;
  readonly sharedBytes: number;
}

Deno.test("cli: volumes are made, named, filled, listed and deleted", async () => {
  await using vault = await VolumeWorld.open();
  assert.equal(
    await vault.ok("volume create", "", "a@b", "--set", "quota=1G"),
    "made volume a@b\n",
  );
  await vault.fails(5, "volume create", "", "a@b");
  await vault.fails(2, "volume create", "", "a/b");
  assert.match(await vault.fails(2, "volume create", "", "c", "--set", "size=1"), /want quota/);
  await vault.put("a@b", "/inside", "text");
  await vault.put("", "/outside", "text");
  assert.equal(await vault.ok("ls", "a@b"), "inside\n");
  assert.equal(await vault.ok("ls", ""), "outside\n");
  assert.equal(await vault.ok("ls", "main"), "outside\n");
  await vault.ok("mkdir", "a@b", "/d");
  await vault.ok("mv", "a@b", "/inside", "/d/moved");
  assert.equal(await vault.ok("cat", "a@b", "/d/moved"), "text");
  assert.match(await vault.fails(4, "ls", "nothing"), /Cannot find volume "nothing"/);
  await vault.ok("volume set", "", "a@b", "quota=none", "access-times=noatime");
  const [main, other] = await vault.json<Volume[]>("volume list", "");
  assert.deepEqual([main.name, main.isDefault, main.accessTimes], ["main", true, "relatime"]);
  assert.deepEqual([other.name, other.quotaBytes, other.accessTimes], ["a@b", 0, "noatime"]);
  const table = await vault.ok("volume list", "");
  assert.match(table, /^VOLUME +SIZE +SNAPSHOTS +CREATED +PROPERTIES\nmain .*\na@b .* noatime\n$/);
  await vault.ok("volume rename", "", "a@b", "c");
  await vault.ok("snapshot create", "c", "kept");
  assert.match(await vault.fails(2, "volume delete", "", "c"), /and 1 snapshot.*use --yes/);
  await vault.fails(4, "volume delete", "", "a@b", "--yes");
  await vault.fails(5, "volume delete", "", "main", "--yes");
  await vault.fails(2, "volume delete", "c", "c", "--yes");
  assert.equal(await vault.ok("volume delete", "", "c", "--yes"), "deleted volume c\n");
  const left = await vault.json<Volume[]>("volume list", "");
  assert.deepEqual(left.map(({ name }) => name), ["main"]);
  assert.match(await vault.ok("check", ""), /^clean/);
});

Deno.test("cli: snapshots are made, listed, read, compared, cloned, gone back to and deleted", async () => {
  await using vault = await VolumeWorld.open();
  await makeTwo(vault);
  await readAndCompare(vault);
  await cloneAndGoBack(vault);
});

/** Two snapshots, and changes before, between and after them. */
async function makeTwo(vault: VolumeWorld): Promise<void> {
  await vault.put("", "/same", "same");
  await vault.put("", "/file", "first");
  await vault.put("", "/old name", "x".repeat(100_000));
  assert.equal(await vault.ok("snapshot create", "", "1st@home"), "made snapshot main@1st@home\n");
  await vault.fails(5, "snapshot create", "", "1st@home");
  await vault.fails(2, "snapshot create", "", "..");
  await vault.put("", "/file", "second");
  await vault.ok("mv", "", "/old name", "/new\tname");
  await vault.ok("mkdir", "", "/d");
  await vault.ok("snapshot create", "main", "2nd");
  await vault.ok("rm", "", "/same");
  await vault.ok("rm", "", "/new\tname");
}

async function readAndCompare(vault: VolumeWorld): Promise<void> {
  const [first, second] = await vault.json<Snapshot[]>("snapshot list", "");
  assert.deepEqual([first.name, second.name], ["1st@home", "2nd"]);
  assert.equal(second.ownBytes + second.sharedBytes, second.referencedBytes);
  assert.ok(second.sharedBytes >= 100_000 && first.ownBytes < 100_000);
  assert.match(
    await vault.ok("snapshot list", ""),
    /^SNAPSHOT +TIME .*\n1st@home .* just now .*\n2nd /,
  );
  assert.equal(await vault.ok("cat", "main@1st@home", "/file"), "first");
  assert.equal(await vault.ok("ls", "@2nd"), "d/\nfile\nnew\\x09name\nsame\n");
  assert.equal(
    await vault.ok("get", "@1st@home", "/same", vault.world.path("got")).then(() =>
      Deno.readTextFileSync(vault.world.path("got"))
    ),
    "same",
  );
  await vault.fails(3, "mkdir", "@2nd", "/x");
  await vault.fails(4, "ls", "@3rd");

  assert.equal(
    await vault.ok("snapshot diff", "", "1st@home", "2nd"),
    "A\t/d/\nM\t/file\nR\t/old name\t/new\\x09name\n",
  );
  const changes = await vault.json<object[]>("snapshot diff", "", "2nd");
  assert.deepEqual(changes, [
    { kind: "removed", type: "file", path: "/new\tname" },
    { kind: "removed", type: "file", path: "/same" },
  ]);
  assert.equal(await vault.ok("snapshot diff", "", "2nd", "2nd"), "");
  await vault.fails(4, "snapshot diff", "", "3rd");
}

async function cloneAndGoBack(vault: VolumeWorld): Promise<void> {
  await vault.ok("snapshot clone", "", "1st@home", "copy");
  await vault.fails(5, "snapshot clone", "", "1st@home", "copy");
  await vault.put("copy", "/file", "changed");
  assert.match(await vault.fails(2, "snapshot rollback", "", "1st@home"), /use --yes/);
  await vault.fails(4, "snapshot rollback", "", "3rd", "--yes");
  await vault.ok("snapshot rollback", "", "1st@home", "--yes");
  assert.equal(await vault.ok("ls", ""), "file\nold name\nsame\n");
  assert.equal(await vault.ok("cat", "", "/file"), "first");
  assert.equal(await vault.ok("cat", "copy", "/file"), "changed");
  const stay = await vault.json<Snapshot[]>("snapshot list", "");
  assert.deepEqual(stay.map(({ name }) => name), ["1st@home", "2nd"], "newer snapshots stay");

  // Two volumes were made from it: it goes when the last of them is gone.
  assert.equal(stay[0].ownBytes, 0);
  await vault.ok("snapshot delete", "", "1st@home", "--yes");
  await vault.fails(4, "snapshot delete", "", "1st@home", "--yes");
  assert.equal(await vault.ok("cat", "copy", "/same"), "same");
  await vault.ok("volume delete", "", "copy", "--yes");
  const info = await vault.json<{ volumes: Volume[]; snapshots: Snapshot[] }>("info", "");
  assert.deepEqual(info.volumes.map(({ name, snapshots }) => [name, snapshots]), [["main", 1]]);
  assert.deepEqual(info.snapshots.map(({ name }) => name), ["2nd"]);
  assert.match(
    await vault.ok("info", "main@2nd"),
    /\nvolumes\n.*\nmain .*\nsnapshots\n.*\nmain@2nd /,
  );
  await vault.fails(4, "info", "@1st@home");
  assert.match(await vault.ok("check", ""), /^clean/);
}

Deno.test("cli: prune says what goes and deletes what a rule does not keep", async () => {
  await using vault = await VolumeWorld.open();
  for (const name of ["a", "b", "c"]) {
    await vault.put("", "/file", name.repeat(50_000));
    await vault.ok("snapshot create", "", name);
  }
  await vault.fails(2, "snapshot prune", "", "--keep", "often=1");
  await vault.fails(2, "snapshot prune", "");
  interface Pruned {
    deleted: Snapshot[];
    kept: number;
    freedBytes: number;
  }
  const plan = ["--keep", "last=1", "--dry-run"];
  const planned = await vault.json<Pruned>("snapshot prune", "", ...plan);
  assert.deepEqual([planned.deleted.map(({ name }) => name), planned.kept], [["a", "b"], 1]);
  assert.ok(planned.freedBytes >= 100_000);
  assert.match(
    await vault.ok("snapshot prune", "", ...plan),
    /would delete 2 snapshots, would free /,
  );
  assert.match(
    await vault.fails(2, "snapshot prune", "", "--keep", "last=1"),
    /Delete 2 snapshots/,
  );
  const done = await vault.json<Pruned>("snapshot prune", "", "--keep", "last=1", "--yes");
  assert.deepEqual(done, planned);
  const left = await vault.json<Snapshot[]>("snapshot list", "");
  assert.deepEqual(left.map(({ name }) => name), ["c"]);
  await vault.ok("snapshot prune", "", "--keep", "last=1");
  assert.match(await vault.ok("check", ""), /^clean/);
});

Deno.test("cli: on a terminal the verbs that destroy ask, and no is no", async () => {
  await using vault = await VolumeWorld.open();
  await vault.ok("snapshot create", "", "one");
  const refusing = new TerminalRun(vault.world, vault.arguments("snapshot delete", "", "one"));
  await refusing.type('Delete snapshot "one"? [y/N] ', "n\r");
  assert.equal((await refusing.end()).code, 5);
  assert.equal((await vault.json<Snapshot[]>("snapshot list", "")).length, 1);
  const agreeing = new TerminalRun(vault.world, vault.arguments("snapshot delete", "", "one"));
  await agreeing.type("[y/N] ", "y\r");
  assert.equal((await agreeing.end()).code, 0);
  assert.deepEqual(await vault.json<Snapshot[]>("snapshot list", ""), []);
  assert.equal(await vault.ok("snapshot list", ""), "no snapshots\n");
});
