import assert from "node:assert/strict";
import { VaultError } from "../errors.ts";
import type { Host } from "./host.ts";
import { splitVaultName, viewName } from "./vault_name.ts";

/** A machine with these files; what lies in "/secret" may not be looked at. */
function machine(...files: string[]): Pick<Host, "local" | "pathOf"> {
  const stat = (path: string) => {
    const isDenied = path.startsWith("/secret");
    if (isDenied) return Promise.reject(new VaultError("denied", `Cannot look at "${path}"`));
    if (files.includes(path)) return Promise.resolve({ kind: "file" });
    return Promise.reject(new VaultError("missing", `Cannot find "${path}"`));
  };
  const local = { stat } as unknown as Host["local"];
  return { local, pathOf: (name) => name.startsWith("memory:") ? null : name };
}

Deno.test("what follows the last # is a volume, unless a file has that name", async () => {
  const host = machine("/a#b", "/c");
  const cases: [string, string, string | null][] = [
    ["/c", "/c", null],
    ["/c#photos", "/c", "photos"],
    ["/c#photos@monday", "/c", "photos@monday"],
    ["/a#b", "/a#b", null],
    ["/a#b#photos", "/a#b", "photos"],
    ["/c#", "/c", ""],
    ["#c", "#c", null],
    ["/secret/c#photos", "/secret/c", "photos"],
    ["memory:#photos", "memory:", "photos"],
  ];
  for (const [typed, medium, view] of cases) {
    assert.deepEqual(await splitVaultName(host, typed), { medium, view }, typed);
  }
});

Deno.test("a view is a volume, or a snapshot of one, whatever @ is in their names", () => {
  const volumes = ["main", "a", "a@b", "mail@home"];
  const cases: [string, string, string | null][] = [
    ["main", "main", null],
    ["", "main", null],
    ["@monday", "main", "monday"],
    ["main@monday", "main", "monday"],
    ["a@b", "a@b", null],
    ["a@c", "a", "c"],
    ["a@b@c", "a", "b@c"],
    ["mail@home@9@work", "mail@home", "9@work"],
  ];
  for (const [view, volume, snapshot] of cases) {
    assert.deepEqual(viewName(view, volumes, "main"), { volume, snapshot }, view);
  }
  assert.throws(() => viewName("other@monday", volumes, "main"), { kind: "missing" });
});
