import { whyNoMount } from "../support/mounted_driver.ts";
import { CliWorld } from "./cli_run.ts";

type MountBody = (world: CliWorld, mnt: string) => Promise<void>;

/** What is not as usual about a test on a mount. */
interface Unusual extends Pick<Deno.TestDefinition, "sanitizeResources"> {
  /** What its name begins with. */
  readonly topic?: string;
  /** Why it cannot run here, beside what forbids mounting; `""` where it can. */
  readonly reason?: string;
  /** Makes the world that it begins with; by default one with a vault. */
  open?(): Promise<CliWorld>;
}

const noMount = whyNoMount();

/** A test that has an empty directory to mount on. */
export function mountTest(name: string, body: MountBody, unusual: Unusual = {}): void {
  const { topic = "cli", reason: further, open, ...sanitizers } = unusual;
  const reason = further || noMount;
  Deno.test({
    ...sanitizers,
    name: `${topic}: ${name}${reason && `: ${reason}`}`,
    ignore: reason !== "",
    async fn() {
      await using world = await (open ?? CliWorld.open)();
      const mnt = world.path("mnt");
      await Deno.mkdir(mnt);
      try {
        if (open === undefined) await world.create();
        await body(world, mnt);
      } finally {
        await leaveNoMount(world, mnt);
      }
    },
  });
}

/** A test that begins with a background mount. */
export function mountedTest(name: string, body: MountBody, unusual: Unusual = {}): void {
  mountTest(name, async (world, mnt) => {
    await world.ok("mount", world.medium, mnt, "--background", ...world.opens);
    await body(world, mnt);
  }, unusual);
}

/** Throws nothing: that would hide why the test failed. */
async function leaveNoMount(world: CliWorld, mnt: string): Promise<void> {
  const detach = new Deno.Command("umount", { args: ["-l", mnt], stderr: "null" });
  // Out of sight is not over: a program in there would keep the process that serves it, and that writes to the folder
  // that is removed next. By force, because neither that program nor an open transaction may stand in the way.
  while ((await detach.output()).success) await world.run("umount", mnt, "--force");
}
