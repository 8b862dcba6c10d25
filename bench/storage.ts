/**
 * Universal storage beside the plain SDK and flydrive, on the same S3 server (Ceph's gateway on loopback):
 *
 *     deno run -A bench/storage.ts                     everything; filling a bucket for listings takes minutes
 *     deno run -A bench/storage.ts rates latency       some of it: rates, latency, streams, listing, failover, flood
 *
 * Rounds or calls alternate between the three.
 *
 * @module
 */
import { CEPH } from "../tests/servers/ceph.ts";
import { type Contender, makeBucket, NAMES, open } from "./storage/contenders.ts";
import { measureFailover } from "./storage/failover.ts";
import { measureFlood } from "./storage/flood.ts";
import { fill, measureListing } from "./storage/listing.ts";
import { measureLatency, measureRates } from "./storage/rates.ts";
import { measureStreams } from "./storage/streams.ts";

const LISTED = "listed";
const BUCKETS: Readonly<Record<string, string>> = {
  "ΣVAULT": "sigmavault",
  SDK: "sdk",
  flydrive: "flydrive",
};

async function withContenders(
  url: string,
  bucketOf: (name: string) => string,
  measure: (contenders: readonly Contender[]) => Promise<void>,
): Promise<void> {
  const contenders = await Promise.all(NAMES.map((name) => open(name, url, bucketOf(name))));
  try {
    await measure(contenders);
  } finally {
    for (const each of contenders) await each[Symbol.asyncDispose]();
  }
}

const own = (name: string) => BUCKETS[name];
const SECTIONS: Readonly<Record<string, (url: string) => Promise<void>>> = {
  rates: (url) => withContenders(url, own, measureRates),
  latency: (url) => withContenders(url, own, measureLatency),
  streams: (url) => withContenders(url, own, measureStreams),
  async listing(url) {
    await makeBucket(url, LISTED);
    await fill(url, LISTED);
    await withContenders(url, () => LISTED, measureListing);
  },
  async failover(url) {
    for (const bucket of ["first", "second"]) await makeBucket(url, bucket);
    await measureFailover(url);
  },
  flood: (url) => measureFlood(url, own),
};

const wanted = Deno.args.length > 0 ? Deno.args : Object.keys(SECTIONS);
const unknown = wanted.filter((name) => !Object.hasOwn(SECTIONS, name));
if (unknown.length > 0) {
  console.error(`no section ${unknown.join(", ")}: there are ${Object.keys(SECTIONS).join(", ")}`);
  Deno.exit(2);
}
await using server = await CEPH.start();
for (const bucket of Object.values(BUCKETS)) await makeBucket(server.url, bucket);
for (const name of wanted) await SECTIONS[name](server.url);
