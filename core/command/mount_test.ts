import assert from "node:assert/strict";
import { parseMountOptions } from "./mount.ts";

Deno.test("mount options: ours are taken, fstab's dropped, the rest handed on", () => {
  const parsed = parseMountOptions([
    "rw,nofail,x-systemd.automount,nodev",
    "passphrase-file=/a,ro",
  ]);
  assert.deepEqual(parsed, {
    readOnly: true,
    allowOther: false,
    noatime: false,
    idlePolling: true,
    listSnapshots: false,
    allVolumes: false,
    passphraseFile: "/a",
    recoveryCodeFile: undefined,
    scrub: undefined,
    rescatter: undefined,
    device: false,
    cryptoLane: undefined,
    extra: ["nodev"],
  });
  const others = parseMountOptions(["allow_other,noatime,crypto_lane=native,passphrase_file=/b=c"]);
  assert.deepEqual([others.allowOther, others.noatime, others.cryptoLane], [true, true, "native"]);
  assert.equal(parseMountOptions(["ro,list_snapshots"]).listSnapshots, true);
  assert.equal(parseMountOptions(["all-volumes"]).allVolumes, true);
  assert.equal(parseMountOptions(["no_idle_polling"]).idlePolling, false);
  assert.deepEqual([others.passphraseFile, others.extra], ["/b=c", ["noatime"]]);
});
