/** Listings of a bucket that all contenders share. */
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { clientOf, type Contender } from "./contenders.ts";
import { head, row, samples, timed } from "./table.ts";

const ROUNDS = 3;
/** No prefix begins another: flydrive drops the slash at its end. */
const LISTINGS = [{ prefix: "few/", size: 1000 }, { prefix: "many/", size: 100_000 }];
const PARALLEL = 32;

/** Puts what is to be listed into a bucket. */
export async function fill(url: string, Bucket: string): Promise<void> {
  const client = clientOf(url);
  for (const { prefix, size } of LISTINGS) {
    let next = 0;
    const lane = async () => {
      while (next < size) {
        const Key = `${prefix}${(next++).toString().padStart(6, "0")}`;
        await client.send(new PutObjectCommand({ Bucket, Key, Body: new Uint8Array(1) }));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, lane));
  }
  client.destroy();
}

/** All files below a prefix, in pages of 1,000. */
export async function measureListing(contenders: readonly Contender[]): Promise<void> {
  head("milliseconds, medians", contenders);
  for (const { prefix, size } of LISTINGS) {
    const figures = samples(contenders);
    for (let round = 0; round < ROUNDS; round++) {
      for (const { name, count } of contenders) {
        const list = async () => {
          const found = await count(prefix);
          if (found !== size) throw new Error(`${name} lists ${found} of ${size}`);
        };
        figures.get(name)!.push(await timed(list));
      }
    }
    row(`list ${size.toLocaleString("en")}`, figures);
  }
}
