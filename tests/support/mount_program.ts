/** Mounts a memory filesystem on the directory given and serves it until the process is killed. */

import { MountedDriver } from "./mounted_driver.ts";

if (import.meta.main) {
  const driver = await MountedDriver.mount({}, Deno.args[0]);
  await Deno.stdout.write(new TextEncoder().encode("ready\n"));
  Deno.addSignalListener("SIGTERM", () => void driver.session.unmount());
  await driver.ended();
  Deno.exit(0);
}
