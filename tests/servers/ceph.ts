/**
 * Ceph on one machine: a monitor, an object store in memory, and its gateway, which speaks S3 with real signatures and real
 * conditions.
 */
import { withProgram } from "../../examples/system_packages.ts";
import type { ServerKind } from "./shared.ts";
import { answers, Daemon, freePort, run, type StartedServer, untilReady } from "./started.ts";

/** The one user of the gateway. */
export const CEPH_KEYS = { accessKey: "AKSIGMAVAULT", secretKey: "SKSIGMAVAULT" } as const;

/** What it is installed from. */
export const CEPH_PACKAGES = [
  withProgram("ceph-common", "ceph"),
  withProgram("ceph-mon", "ceph-mon"),
  withProgram("ceph-osd", "ceph-osd"),
  withProgram("radosgw", "radosgw"),
];

const MEMORY_BYTES = 4 * 2 ** 30;

/** One replica, loopback only, no authentication inside, and nothing that works in the background. */
function configuration(
  folder: string,
  ports: { mon: number; gateway: number },
  fsid: string,
): string {
  const sections = {
    global: {
      fsid,
      "mon host": `v1:127.0.0.1:${ports.mon}`,
      "public addr": "127.0.0.1",
      "cluster addr": "127.0.0.1",
      "ms bind msgr2": "false",
      "auth cluster required": "none",
      "auth service required": "none",
      "auth client required": "none",
      keyring: `${folder}/keyring`,
      "log file": `${folder}/$name.log`,
      "admin socket": `${folder}/$name.asok`,
      "run dir": folder,
      "mon data": `${folder}/mon`,
      "osd data": `${folder}/osd`,
      "osd pool default size": "1",
      "osd pool default min size": "1",
      "osd pool default pg num": "1",
      "osd pool default pgp num": "1",
      "osd pool default pg autoscale mode": "off",
      "osd crush chooseleaf type": "0",
      "mon allow pool size one": "true",
      "mon max pg per osd": "2000",
      // A lone monitor has nobody to wait for.
      "paxos propose interval": "0.05",
      "paxos min wait": "0.02",
      "mon osd min up ratio": "0",
    },
    mon: { "mon initial members": "a", "mon data avail crit": "0" },
    osd: {
      "osd objectstore": "memstore",
      "memstore device bytes": `${MEMORY_BYTES}`,
      "osd max object name len": "1024",
      "osd class load list": "*",
      "osd class default list": "*",
      "osd memory target": "939524096",
      // Where it lies is said below.
      "osd crush update on start": "false",
      "osd class update on start": "false",
    },
    "client.rgw.a": {
      // Without the option each small answer waits for the client's delayed acknowledgement: 40 ms.
      "rgw frontends": `beast endpoint=127.0.0.1:${ports.gateway} tcp_nodelay=1`,
      "rgw data": `${folder}/rgw`,
      "rgw enable usage log": "false",
      "rgw dynamic resharding": "false",
      "rgw enable apis": "s3",
      "rgw run sync thread": "false",
    },
  };
  return Object.entries(sections).map(([name, settings]) =>
    [`[${name}]`, ...Object.entries(settings).map((pair) => pair.join(" = ")), ""].join("\n")
  ).join("\n");
}

/** Starts it; takes some 3 s. */
async function startCeph(): Promise<StartedServer> {
  await using begun = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "ceph" });
  begun.defer(() => Deno.remove(folder, { recursive: true }));
  const ports = { mon: freePort(), gateway: freePort() };
  const conf = `${folder}/ceph.conf`;
  const fsid = crypto.randomUUID();
  await Deno.writeTextFile(conf, configuration(folder, ports, fsid));
  for (const name of ["mon", "osd", "rgw"]) await Deno.mkdir(`${folder}/${name}`);
  const address = `[v1:127.0.0.1:${ports.mon}]`;
  await run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, `${folder}/monmap`);
  await startMonitor(begun, folder);
  const url = `http://127.0.0.1:${ports.gateway}`;
  const store = await startObjectStore(begun, conf);
  await store.needed("ceph-osd", startGateway(begun, folder, url));
  const owned = begun.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function startMonitor(begun: AsyncDisposableStack, folder: string) {
  const [conf, keyring, map] = ["ceph.conf", "keyring", "monmap"].map((it) => `${folder}/${it}`);
  const all = ["mon", "osd", "mgr"].flatMap((it) => ["--cap", it, "allow *"]);
  await run("ceph-authtool", keyring, "--create-keyring", "--gen-key", "-n", "mon.", ...all);
  await run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", ...all);
  await run("ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", map, "--keyring", keyring);
  const monitor = begun.use(new Daemon("ceph-mon", ["-f", "-c", conf, "-i", "a"]));
  await monitor.needed("ceph-mon", untilReady("ceph-mon", () => ceph(conf, "mon", "stat")));
}

async function startObjectStore(begun: AsyncDisposableStack, conf: string): Promise<Daemon> {
  const id = crypto.randomUUID();
  const number = (await ceph(conf, "osd", "new", id)).trim();
  await run("ceph-osd", "-c", conf, "-i", number, "--mkfs", "--osd-uuid", id);
  await ceph(conf, "osd", "crush", "add", `osd.${number}`, "1", "root=default", "host=a");
  return begun.use(new Daemon("ceph-osd", ["-f", "-c", conf, "-i", number]));
}

async function startGateway(begun: AsyncDisposableStack, folder: string, url: string) {
  const conf = `${folder}/ceph.conf`;
  const caps = ["mon", "allow rwx", "osd", "allow rwx"];
  const key = await ceph(conf, "auth", "get-or-create", "client.rgw.a", ...caps);
  await Deno.writeTextFile(`${folder}/keyring`, key, { append: true });
  const { accessKey, secretKey } = CEPH_KEYS;
  const user = ["--uid=test", "--display-name=test"];
  const keys = [`--access-key=${accessKey}`, `--secret-key=${secretKey}`];
  await run("radosgw-admin", "-c", conf, "-n", "client.admin", "user", "create", ...user, ...keys);
  const gateway = begun.use(new Daemon("radosgw", ["-f", "-c", conf, "-n", "client.rgw.a"]));
  await gateway.needed("radosgw", untilReady("radosgw", () => answers(url)));
}

function ceph(conf: string, ...args: readonly string[]): Promise<string> {
  return run("ceph", "-c", conf, "--connect-timeout", "5", ...args);
}

/** S3 as Ceph speaks it. */
export const CEPH: ServerKind = {
  name: "Ceph's radosgw",
  variable: "SIGMAVAULT_TEST_CEPH",
  whyNot: () => {
    const missing = CEPH_PACKAGES.filter((it) => !it.isThere()).map(({ name }) => name);
    return missing.length === 0 ? undefined : `${missing.join(", ")} not installed`;
  },
  start: startCeph,
};
