/** The vault below overlayfs, as containers use it, and files that never had a name. Needs root, Python and Linux 6.1 or newer. */
import assert from "node:assert/strict";
import { run, whyNoMount } from "../support/mounted_driver.ts";
import { hasProgram, MountedVault } from "../support/mounted_vault.ts";
import { checkClosed } from "../support/promised_writer.ts";

async function whyNot(): Promise<string> {
  const reason = whyNoMount() || (await hasProgram("python3") ? "" : "no python3 here");
  if (reason !== "") return reason;
  if (Deno.uid() !== 0) return "an overlay needs root";
  const [major, minor] = Deno.osRelease().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 1) ? "" : "this kernel hands no O_TMPFILE to FUSE";
}

const reason = await whyNot();
const name = (what: string) => `mount: ${what}${reason && `: ${reason}`}`;

Deno.test(name("overlayfs removes, moves and replaces what lies below, in a vault"), {
  ignore: reason !== "",
}, async () => {
  await using vault = await MountedVault.create();
  await vault.ok(`
    mkdir -p lower/dir upper work merged
    for name in a b dir/c; do echo "$name" > lower/$name; done
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
    rm merged/a; mv merged/b merged/moved; rm -r merged/dir; mkdir merged/dir; echo new > merged/new
    umount merged`);
  const seen = await vault.ok(`
    stat -c '%F %t:%T %n' upper/a upper/b
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
    cd merged; find . | sort; cat moved new; cd ..; umount merged; ls lower lower/dir`);
  assert.deepEqual(seen.trim().split("\n"), [
    "character special file 0:0 upper/a",
    "character special file 0:0 upper/b",
    ".",
    "./dir",
    "./moved",
    "./new",
    "b",
    "new",
    "lower:",
    "a",
    "b",
    "dir",
    "",
    "lower/dir:",
    "c",
  ]);
  await vault.unmount();
  await checkClosed(vault.path);
});

Deno.test(name("a file without a name gets one by linkat, or goes when it is closed"), {
  ignore: reason !== "",
}, async () => {
  await using vault = await MountedVault.create();
  const { code, stdout, stderr } = await run("python3", ["-c", PROGRAM], vault.mountpoint);
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trim().split("\n"), [
    "0 [] 0o100640",
    "0 1 hidden",
    "hidden more",
    "-1 2",
    "['named']",
  ]);
  await vault.unmount();
  await checkClosed(vault.path);
});

const PROGRAM = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def link(f, name): return libc.linkat(-100, b"/proc/self/fd/%d" % f, -100, name, 0x400)
f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640); os.write(f, b"hidden")
print(os.fstat(f).st_nlink, os.listdir("."), oct(os.fstat(f).st_mode))
print(link(f, b"named"), os.stat("named").st_nlink, open("named").read())
os.write(f, b" more"); os.close(f); print(open("named").read())
f = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600); os.write(f, b"gone" * 99999)
print(link(f, b"other"), ctypes.get_errno()); os.close(f); print(os.listdir("."))
`;
