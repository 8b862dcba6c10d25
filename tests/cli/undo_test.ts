/** undo on a medium that nobody has mounted. */
import assert from "node:assert/strict";
import { CliWorld } from "./cli_run.ts";

interface State {
  readonly name: string;
  readonly sequence: number;
}

Deno.test("cli: undo goes back to a state by its time or number, says which, and can be undone", async () => {
  await using world = await CliWorld.open();
  await world.create();
  const { medium, opens } = world;
  const ok = (verb: string, ...more: string[]) => world.ok(verb, medium, ...more, ...opens);
  assert.equal(await ok("undo", "--list"), "no snapshots\n");
  await world.ok("snapshot", "create", medium, "start", ...opens);
  await ok("mkdir", "/late");
  const refused = await world.run("undo", medium, "--to", "0s", ...opens);
  assert.equal(refused.code, 2);
  const unasked = await world.run("undo", medium, "--to", new Date().toISOString(), ...opens);
  assert.match(unasked.stderr, /--yes/);
  const missing = await world.run("undo", medium, "--to", "10 days ago", "--yes", ...opens);
  assert.equal(missing.code, 4, missing.stderr);
  assert.match(missing.stderr, /the oldest is of/);
  const [start] = await world.json<State[]>("undo", medium, "--list", ...opens);
  assert.match(
    await ok("undo", "--to", `@${start.sequence}`, "--yes"),
    /^as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(.*\) again\n$/,
  );
  assert.equal(await ok("ls"), "");
  const states = await world.json<State[]>("undo", medium, "--list", ...opens);
  assert.deepEqual(states.map(({ name }) => name), ["start", "", ""]);
  await ok("undo", "--to", `@${states[1].sequence}`, "--yes");
  assert.equal(await ok("ls"), "late/\n");
  await world.ok("volume", "set", medium, "main", "history=off", "history-space=5%", ...opens);
  assert.match(await world.ok("volume", "list", medium, ...opens), /history=off/);
});
