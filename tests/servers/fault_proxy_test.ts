/** What providers make of a way to them that fails: the right kind of error, in time. */
import assert from "node:assert/strict";
import { within } from "../../core/storage/time_limit.ts";
import { MIB } from "../../core/limits.ts";
import type { ObjectStore } from "../../core/storage/object_store.ts";
import {
  bytesOf,
  patternBytes,
  piecesOf,
  read,
  refused,
  text,
} from "../../core/objects/store_samples.ts";
import { cloudsUnderTest, runningCloud } from "./cloud_stores.ts";
import { type Fault, FaultProxy, type SeenRequest } from "./fault_proxy.ts";

/** A test that takes longer hangs. */
const TEST_MS_MAX = 60_000;
/** Of calls to a server that says nothing; the others may run on a busy machine. */
const STALLED_SECONDS = 1;
const TIME_LIMIT_SECONDS = 20;
/** What waits for the end of it. */
const STALLS = "servers that say nothing, or nothing more";

const S3_SLOW_DOWN =
  "<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>";
const SLOW_DOWN: Readonly<Record<string, string>> = {
  s3: S3_SLOW_DOWN,
  wasabi: S3_SLOW_DOWN,
  azure: "<Error><Code>ServerBusy</Code><Message>Reduce your request rate</Message></Error>",
  gcs: '{"error":{"code":503,"errors":[{"reason":"backendError"}],"message":"Slow down"}}',
};

interface Faulty {
  readonly name: string;
  readonly store: ObjectStore;
  readonly proxy: FaultProxy;
  /** The same objects, without the proxy. */
  readonly direct: ObjectStore;
}

const faultyWays: Readonly<Record<string, (faulty: Faulty) => Promise<void>>> = {
  "answers that tell of trouble at the provider": async ({ name, store, proxy }) => {
    for (
      const [status, body] of [[500, undefined], [503, SLOW_DOWN[name]], [429, undefined]] as const
    ) {
      for (const call of callsOf(store)) {
        proxy.fail({ kind: "answer", status, body }, Infinity);
        await refused(store, call(), "unavailable");
        proxy.plan = () => null;
      }
    }
    assert.equal(await read(store, "x"), "there");
  },

  "answers that refuse": async ({ store, proxy }) => {
    for (const [status, kind] of [[401, "denied"], [403, "denied"], [400, "invalid"]] as const) {
      for (const call of callsOf(store)) {
        proxy.fail({ kind: "answer", status }, Infinity);
        await refused(store, call(), kind);
        proxy.plan = () => null;
      }
    }
  },

  "connections that break": async ({ store, proxy }) => {
    for (const call of callsOf(store)) {
      proxy.fail({ kind: "reset" }, Infinity);
      await refused(store, call(), "unavailable");
      proxy.plan = () => null;
    }
    assert.equal(await read(store, "x"), "there");
  },

  "bodies that are cut off are no objects": async ({ store, proxy, direct }) => {
    await direct.put("long", patternBytes(MIB));
    await refusedBody(store, proxy, { kind: "truncated", bodyBytes: 300_000 });
    await refusedBody(store, proxy, { kind: "truncated", bodyBytes: 0 });
  },

  [STALLS]: async ({ store, proxy, direct }) => {
    await direct.put("long", patternBytes(MIB));
    proxy.fail({ kind: "stall" }, Infinity);
    await Promise.all(callsOf(store).map((call) => refused(store, call(), "unavailable")));
    proxy.plan = () => null;
    await refusedBody(store, proxy, { kind: "stall", bodyBytes: 300_000 });
  },

  "a slow server is only slow": async ({ store, proxy }) => {
    proxy.fail({ kind: "latency", milliseconds: 200 }, Infinity);
    assert.equal(await read(store, "x"), "there");
    assert.equal((await store.put("y", text("also"))).size, 4);
  },

  "who gives up does not wait for a server that says nothing": async (faulty) => {
    const { store, proxy, direct } = faulty;
    await direct.put("long", patternBytes(MIB));
    for (const method of ["get", "head", "list"] as const) {
      const giving = new AbortController();
      proxy.plan = () => {
        giving.abort(new RangeError("enough"));
        return { kind: "stall" };
      };
      const { signal } = giving;
      const call = method === "list" ? store.list({ signal }) : store[method]("x", { signal });
      await assert.rejects(call, /enough/);
    }
    proxy.fail({ kind: "stall", bodyBytes: 300_000 }, Infinity, isBody(store));
    const giving = new AbortController();
    const { body } = await store.get("long", { signal: giving.signal });
    const reader = body.getReader();
    await reader.read();
    giving.abort(new RangeError("enough"));
    const rest = async () => {
      while (!(await reader.read()).done);
    };
    await assert.rejects(rest, /enough/);
  },

  "a long upload that breaks in the middle stores nothing": async ({ store, proxy, direct }) => {
    for (const fault of [{ kind: "reset" }, { kind: "answer", status: 500 }] as const) {
      let uploads = 0;
      // The first of them may only begin the upload.
      proxy.fail(fault, 1, ({ method }) => ["PUT", "POST"].includes(method) && ++uploads > 1);
      const put = store.put("broken", piecesOf(patternBytes(20 * MIB), MIB));
      await refused(store, put, "unavailable");
      proxy.plan = () => null;
      assert.equal(await direct.head("broken"), null);
    }
    const bytes = patternBytes(20 * MIB);
    await store.put("whole", piecesOf(bytes, MIB));
    assert.ok(Buffer.compare(await bytesOf(await direct.get("whole")), bytes) === 0);
  },
};

/** Calls that need the provider; `x` is there. */
function callsOf(store: ObjectStore): (() => Promise<unknown>)[] {
  return [
    () => store.put("new", text("new")),
    () => store.get("x"),
    () => store.head("x"),
    () => store.list(),
    () => store.delete("none"),
    () => store.copy("x", "y"),
    () => store.describe("x", { metadata: { a: "1" } }),
  ];
}

/** Whether a request is for the bytes of an object; Google is asked first for what is known of it. */
function isBody(store: ObjectStore): (request: SeenRequest) => boolean {
  return ({ method, target }) =>
    method === "GET" && (store.provider !== "gcs" || target.includes("alt=media"));
}

/** The object `long` is longer than what comes of it. */
async function refusedBody(store: ObjectStore, proxy: FaultProxy, fault: Fault): Promise<void> {
  proxy.fail(fault, Infinity, isBody(store));
  const reading = store.get("long").then((content) => bytesOf(content));
  await refused(store, reading, "unavailable");
  proxy.plan = () => null;
}

for (const [name, cloud] of Object.entries(cloudsUnderTest)) {
  const running = await runningCloud(cloud);
  const why = "missing" in running ? ` (skipped: ${running.missing})` : "";
  for (const [what, holds] of Object.entries(faultyWays)) {
    Deno.test({
      name: `${name}, faults: ${what}${why}`,
      ignore: why !== "",
      fn: async () => {
        if ("missing" in running) return;
        await using opened = await running.open();
        await using proxy = new FaultProxy(running.url);
        const seconds = what === STALLS ? STALLED_SECONDS : TIME_LIMIT_SECONDS;
        const store = await cloud.open(proxy.url, opened.bucket, seconds);
        await opened.store.put("x", text("there"));
        const faulty = { name, store, proxy, direct: opened.store };
        await within({ milliseconds: TEST_MS_MAX }, () => holds(faulty));
        await store.close();
      },
    });
  }
}
