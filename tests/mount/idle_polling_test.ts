/** Idle processors poll while small requests come one after another, and sleep after. */
import assert from "node:assert/strict";
import { MountedDriver, whyNoMount } from "../support/mounted_driver.ts";

const reason = whyNoMount() || whyNoPolling();

function whyNoPolling(): string {
  if (navigator.hardwareConcurrency > 8) return "more than 8 processors";
  try {
    const driver = Deno.readTextFileSync("/sys/devices/system/cpu/cpuidle/current_driver");
    if (driver !== "haltpoll\n") return "no virtual machine with haltpoll";
    Deno.openSync("/dev/cpu_dma_latency", { write: true }).close();
    return "";
  } catch {
    return "no haltpoll";
  }
}

function pollingTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `idle polling: ${name}${reason && `: ${reason}`}`, ignore: reason !== "", fn });
}

/** Whether this process, which serves the mounts of these tests, holds the device. */
async function isHeld(): Promise<boolean> {
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    const path = await Deno.readLink(`/proc/self/fd/${name}`).catch(() => "");
    if (path === "/dev/cpu_dma_latency") return true;
  }
  return false;
}

/** Asks for the filesystem's status as fast as it can; reading the device tells what holds for all processors. */
const ASKING = `
import os, struct, time
def polls():
    for _ in range(200): os.statvfs(".")
    return allowed() == 0
def allowed():
    with open("/dev/cpu_dma_latency", "rb") as device:
        return struct.unpack("i", device.read(4))[0]
end = time.monotonic() + 20
while not polls(): assert time.monotonic() < end, "nobody polls"
`;

pollingTest("while a program asks again and again, and no longer", async () => {
  await using driver = await MountedDriver.mount();
  await driver.python(`${ASKING}
while allowed() == 0: assert time.monotonic() < end, "it does not end"`);
  assert.ok(await isHeld());
});

pollingTest("ends with the mount", async () => {
  const driver = await MountedDriver.mount();
  await driver.python(ASKING);
  await driver.session.unmount();
  await driver.ended();
  assert.ok(!await isHeld());
  await Deno.remove(driver.mountpoint);
});

pollingTest("not where it is not wanted", async () => {
  await using driver = await MountedDriver.mount({ idlePolling: false });
  await driver.ok("for i in 1 2 3 4 5 6 7 8 9; do stat -f . > /dev/null; done");
  assert.ok(!await isHeld());
});
