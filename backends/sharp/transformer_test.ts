import assert from "node:assert/strict";
import type { ImageTransforms, SourceFormat } from "../../core/objects/images.ts";
import {
  imageTest,
  loadedSharp,
  pngOf,
  QUARTERS,
  quarters,
  quartersOf,
} from "../../tests/support/sharp_images.ts";
import { openSharp } from "./transformer.ts";

const loaded = await loadedSharp();
type Image = ReturnType<typeof quarters>;
const PIXELS_MAX = 1_000_000;

async function make(bytes: Uint8Array, format: SourceFormat, transforms: ImageTransforms) {
  const transformer = await openSharp();
  return await transformer.make({ path: "a/b", bytes, format }, transforms, {
    pixelsMax: PIXELS_MAX,
  });
}

imageTest(
  "sharp: every orientation is applied, before the size and before stripping",
  loaded,
  async (sharp) => {
    // What a viewer shows of the stored image, which was red, green / blue, white when it was taken.
    const stored: Record<number, (image: Image) => Promise<Image>> = {
      1: (image) => Promise.resolve(image),
      2: (image) => done(image.flop()),
      3: (image) => done(image.rotate(180)),
      4: (image) => done(image.flip()),
      5: async (image) => (await done(image.rotate(90))).flop(),
      6: (image) => done(image.rotate(270)),
      7: async (image) => (await done(image.rotate(90))).flip(),
      8: (image) => done(image.rotate(90)),
    };
    /** One step after the other: in one pipeline they come in an order of the library's. */
    const done = async (image: Image) => sharp(await image.png().toBuffer());
    for (const [orientation, turned] of Object.entries(stored)) {
      const raw = await (await turned(quarters(sharp, 80, 40))).png().toBuffer();
      const photo = await sharp(raw).jpeg({ quality: 100, chromaSubsampling: "4:4:4" })
        .withMetadata({ orientation: Number(orientation) }).toBuffer();
      for (const format of ["webp", "jpeg", "png", "avif"] as const) {
        const made = await make(photo, "jpeg", { format, resize: { width: 40 } });
        const { orientation: left = 1 } = await sharp(made.bytes).metadata();
        const seen = await quartersOf(sharp, made.bytes);
        assert.deepEqual(
          [seen, left],
          [{ width: 40, height: 20, names: [...QUARTERS] }, 1],
          `orientation ${orientation} to ${format}`,
        );
      }
    }
    const lying = await quarters(sharp, 80, 40).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    const left = await make(lying, "jpeg", { format: "png", rotate: false });
    assert.deepEqual(await quartersOf(sharp, left.bytes), {
      width: 80,
      height: 40,
      names: [...QUARTERS],
    });
  },
);

imageTest(
  "sharp: names, places and profiles go, or stay where that is asked for",
  loaded,
  async (sharp) => {
    const gps = { GPSLatitudeRef: "N", GPSLatitude: "51/1 30/1 3230/100" };
    const photo = await quarters(sharp, 80, 40).withIccProfile("p3")
      .withExif({ IFD0: { Artist: "Ada Lovelace" }, IFD3: gps })
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>').jpeg().toBuffer();
    const before = await sharp(photo).metadata();
    const inside = (exif?: Uint8Array) => new TextDecoder("latin1").decode(exif);
    assert.match(inside(before.exif), /Ada Lovelace/);
    for (const format of ["webp", "avif", "jpeg", "png"] as const) {
      const { bytes } = await make(photo, "jpeg", { format });
      const { exif, xmp, icc, iptc } = await sharp(bytes).metadata();
      assert.deepEqual(
        [exif, xmp, icc, iptc],
        [undefined, undefined, undefined, undefined],
        format,
      );
      assert.doesNotMatch(inside(bytes), /Lovelace|xmpmeta/);
      const kept = await sharp((await make(photo, "jpeg", { format, strip: false })).bytes)
        .metadata();
      assert.match(inside(kept.exif), /Ada Lovelace/, format);
      assert.deepEqual([kept.icc === undefined, kept.orientation ?? 1], [false, 1], format);
    }
  },
);

imageTest(
  "sharp: colours of a wide profile become sRGB when it is left out",
  loaded,
  async (sharp) => {
    const colour = { r: 200, g: 60, b: 40 };
    const wide = await sharp({ create: { width: 16, height: 16, channels: 3, background: colour } })
      .withIccProfile("p3").png().toBuffer();
    const plain = await sharp(wide, { ignoreIcc: true }).raw().toBuffer();
    assert.ok(Math.abs(plain[0] - colour.r) > 5, "the profile changes what the numbers mean");
    const { bytes } = await make(wide, "png", {});
    const seen = await sharp(bytes, { ignoreIcc: true }).raw().toBuffer();
    for (const [i, wanted] of Object.values(colour).entries()) {
      assert.ok(Math.abs(seen[i] - wanted) <= 3, `${seen[i]} is not ${wanted}`);
    }
  },
);

imageTest("sharp: sizes, fits and qualities", loaded, async (sharp) => {
  const image = await quarters(sharp, 400, 200).png().toBuffer();
  const sizeOf = async (resize: ImageTransforms["resize"]) => {
    const { width, height } = await sharp((await make(image, "png", { resize })).bytes).metadata();
    return [width, height];
  };
  assert.deepEqual(await sizeOf({ width: 100, height: 100 }), [100, 50]);
  assert.deepEqual(await sizeOf({ width: 100, height: 100, fit: "outside" }), [200, 100]);
  assert.deepEqual(await sizeOf({ width: 100, height: 100, fit: "cover" }), [100, 100]);
  assert.deepEqual(await sizeOf({ width: 100, height: 100, fit: "contain" }), [100, 100]);
  assert.deepEqual(await sizeOf({ width: 100, height: 100, fit: "fill" }), [100, 100]);
  assert.deepEqual(await sizeOf({ height: 20 }), [40, 20]);
  assert.deepEqual(await sizeOf({ width: 4000 }), [400, 200]);
  const noise = await sharp({
    create: {
      width: 200,
      height: 200,
      channels: 3,
      background: "grey",
      noise: { type: "gaussian", mean: 128, sigma: 40 },
    },
  }).png().toBuffer();
  for (const format of ["webp", "avif", "jpeg"] as const) {
    const [low, high] = await Promise.all(
      [10, 90].map((quality) => make(noise, "png", { format, quality })),
    );
    assert.ok(low.bytes.length * 2 < high.bytes.length, format);
  }
  const clear = { r: 0, g: 0, b: 0, alpha: 0 };
  const glass = await sharp({ create: { width: 8, height: 8, channels: 4, background: clear } })
    .png().toBuffer();
  const { bytes } = await make(glass, "png", { format: "jpeg" });
  assert.ok((await sharp(bytes).raw().toBuffer()).every((value) => value > 250));
});

imageTest("sharp: bombs are refused by their headers", loaded, async () => {
  await assert.rejects(make(pngOf(60_000, 60_000), "png", { format: "webp" }), {
    kind: "invalid",
    message:
      'Cannot transform "a/b": its 60000 × 60000 pixels are more than the 1000000 that are allowed',
  });
});

imageTest("sharp: what is cut off, wrong or another format is refused", loaded, async (sharp) => {
  const noisy = quarters(sharp, 400, 200);
  for (const format of ["jpeg", "png", "webp", "avif", "gif", "tiff"] as const) {
    const whole = await noisy.clone().toFormat(format).toBuffer();
    assert.notEqual((await make(whole, format, { format: "webp" })).bytes.length, 0);
    for (const bytes of [whole.subarray(0, whole.length >> 1), whole.subarray(0, 40)]) {
      await assert.rejects(make(bytes, format, { format: "png" }), {
        kind: "invalid",
        message: /^Cannot transform "a\/b": /,
      }, `${format} of ${bytes.length} bytes`);
    }
    const other = format === "png" ? "jpeg" : "png";
    await assert.rejects(make(whole, other, {}), /it begins as/);
  }
  await assert.rejects(make(new Uint8Array(100), "png", {}), { kind: "invalid" });
});

imageTest(
  "sharp: animations stay so as WebP; as anything else their first frame is taken",
  loaded,
  async (sharp) => {
    const frame = (background: string) => {
      return sharp({ create: { width: 40, height: 20, channels: 3, background } }).png().toBuffer();
    };
    const frames = await Promise.all(["red", "blue", "green"].map(frame));
    const animation = sharp(frames, { join: { animated: true } });
    const gif = await animation.clone().gif({ delay: [100, 200, 300] }).toBuffer();
    const { bytes } = await make(gif, "gif", { format: "webp", resize: { width: 20 } });
    const { width, pages, pageHeight, delay } = await sharp(bytes, { animated: true }).metadata();
    assert.deepEqual([width, pages, pageHeight, delay], [20, 3, 10, [100, 200, 300]]);
    const still = await make(gif, "gif", { format: "png" });
    const seen = await sharp(still.bytes).metadata();
    assert.deepEqual([seen.width, seen.height, seen.pages ?? 1], [40, 20, 1]);
    const turned = await animation.clone().webp().withMetadata({ orientation: 6 }).toBuffer();
    await assert.rejects(make(turned, "webp", {}), /only still images/);
    assert.equal((await make(turned, "webp", { rotate: false })).format, "webp");
    assert.equal((await make(turned, "webp", { format: "png" })).format, "png");
    // All frames count, whatever is made of them.
    const many = await sharp(
      await Promise.all(Array.from({ length: 40 }, (_, i) => {
        const background = { r: i % 2 * 255, g: i * 6, b: 0 };
        return sharp({ create: { width: 200, height: 200, channels: 3, background } }).png()
          .toBuffer();
      })),
      { join: { animated: true } },
    ).gif().toBuffer();
    await assert.rejects(make(many, "gif", { format: "webp" }), /in 40 frames are more than/);
  },
);

imageTest(
  "sharp: who gives up gets his reason, and the next one his image",
  loaded,
  async (sharp) => {
    const image = await quarters(sharp, 400, 200).png().toBuffer();
    const transformer = await openSharp();
    const source = { path: "a", bytes: image, format: "png" } as const;
    const reason = new Error("no more");
    const giving = Array.from({ length: 5 }, () => {
      const signal = AbortSignal.abort(reason);
      return transformer.make(source, {}, { pixelsMax: PIXELS_MAX, signal });
    });
    for (const each of giving) await assert.rejects(each, reason);
    assert.equal((await transformer.make(source, {}, { pixelsMax: PIXELS_MAX })).format, "png");
  },
);
