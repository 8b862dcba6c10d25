import assert from "node:assert/strict";
import { createStorage, type ImageVariant, type StorageSettings } from "../../backends/storage.ts";
import { imageTest, loadedSharp, pngOf, quarters } from "../../tests/support/sharp_images.ts";
import { ImageUploads } from "./image_upload.ts";
import { piecesOf } from "./store_samples.ts";

const loaded = await loadedSharp();
const MEMORY: StorageSettings = { providers: { all: { type: "memory" } } };
const encoder = new TextEncoder();

async function files(storage: Awaited<ReturnType<typeof createStorage>>): Promise<string[]> {
  return (await storage.list()).files.map(({ path }) => path);
}

imageTest("images: an upload is transformed, as bytes and as a stream", loaded, async (sharp) => {
  await using storage = await createStorage(MEMORY);
  const photo = await quarters(sharp, 400, 200).jpeg().toBuffer();
  const transforms = { resize: { width: 100, height: 100 }, format: "webp", quality: 80 } as const;
  for (const data of [photo, piecesOf(photo, 700)]) {
    const seen: number[] = [];
    const result = await storage.upload("photo.jpg", data, {
      transforms,
      size: photo.length,
      tags: { who: "Ada" },
      onProgress: (bytes) => seen.push(bytes),
    });
    assert.deepEqual([result.contentType, result.tags], ["image/webp", { who: "Ada" }]);
    assert.equal(seen.at(-1), photo.length);
    const { width, height, format } = await sharp(await storage.download("photo.jpg")).metadata();
    assert.deepEqual([width, height, format], [100, 50, "webp"]);
  }
  await assert.rejects(
    storage.upload("photo.jpg", photo, { transforms, create: true }),
    { kind: "conflict" },
  );
});

imageTest(
  "images: variants are stored below names of their own, or where they are told",
  loaded,
  async (sharp) => {
    await using storage = await createStorage({
      provider: "all",
      providers: { all: { type: "memory" }, small: { type: "memory" } },
      routing: { thumbs: "small" },
    });
    const photo = await quarters(sharp, 400, 200).png().toBuffer();
    const results = await storage.uploadVariants("2026/cat.photo.png", piecesOf(photo, 900), {
      large: { format: "jpeg" },
      small: { resize: { width: 40 }, format: "webp" },
      same: {},
      thumb: { resize: { width: 10 }, format: "avif", path: "thumbs/cat.avif" },
    }, { metadata: { camera: "old" } });
    assert.deepEqual(
      Object.entries(results).map(([name, { path, contentType, provider, metadata }]) => {
        return [name, path, contentType, provider, metadata.camera];
      }),
      [
        ["large", "2026/cat.photo-large.jpg", "image/jpeg", "all", "old"],
        ["small", "2026/cat.photo-small.webp", "image/webp", "all", "old"],
        ["same", "2026/cat.photo-same.png", "image/png", "all", "old"],
        ["thumb", "thumbs/cat.avif", "image/avif", "small", "old"],
      ],
    );
    assert.equal((await sharp(await storage.download("thumbs/cat.avif")).metadata()).width, 10);
    assert.equal((await files(storage)).length, 4);
  },
);

imageTest(
  "images: of variants that cannot all be stored none stays that is fresh",
  loaded,
  async (sharp) => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/objects`;
    await using storage = await createStorage({ providers: { disk: { type: "local", path } } });
    const photo = await quarters(sharp, 40, 20).png().toBuffer();
    await storage.upload("taken", "a file where a directory would have to be");
    await storage.upload("old.webp", "older");
    const variants: Record<string, ImageVariant> = {
      one: { format: "webp" },
      old: { format: "webp", path: "old.webp" },
      bad: { format: "webp", path: "taken/below.webp" },
    };
    await assert.rejects(storage.uploadVariants("cat.png", photo, variants));
    assert.deepEqual(await files(storage), ["old.webp", "taken"]);
    assert.equal((await storage.getInfo("old.webp")).contentType, "image/webp");
    // A bad variant is found before any is stored.
    for (
      const bad of [{ quality: 0 }, { path: "../up" }, { path: "cat-one.webp" }] as ImageVariant[]
    ) {
      const two = { one: { format: "webp" }, two: { format: "webp", ...bad } } as const;
      await assert.rejects(storage.uploadVariants("cat.png", photo, two), { kind: "invalid" });
    }
    await assert.rejects(
      storage.uploadVariants("cat.png", photo, { old: variants.old }, { create: true }),
      { kind: "conflict" },
    );
    assert.deepEqual(await files(storage), ["old.webp", "taken"]);
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test("images: what is no image that may be read is refused by name, before any decoder sees it", async () => {
  await using storage = await createStorage(MEMORY);
  const refused = async (data: Uint8Array, message: RegExp) => {
    const transforms = { format: "webp" } as const;
    await assert.rejects(storage.upload("x", data, { transforms }), { kind: "invalid", message });
  };
  await refused(
    encoder.encode('<?xml version="1.0"?><svg width="1" height="1"/>'),
    /SVG is a program/,
  );
  await refused(
    encoder.encode('<!-- --><svg xmlns="http://www.w3.org/2000/svg"/>'),
    /SVG is a program/,
  );
  await refused(encoder.encode("%PDF-1.7\n"), /application\/pdf cannot be read; want jpeg, png/);
  await refused(encoder.encode("BM, or something"), /want jpeg, png, webp, avif, gif, tiff$/);
  await refused(encoder.encode("\0\0\0\x18ftypheic\0\0\0\0mif1heic"), /image\/heic cannot be read/);
  await refused(new Uint8Array(), /no image that is known/);
  assert.deepEqual(await files(storage), []);
});

Deno.test("images: transforms that nobody can do are refused, and the body is let go", async () => {
  await using storage = await createStorage(MEMORY);
  const bad: readonly [object, RegExp][] = [
    [{ format: "gif" }, /it cannot become "gif": want webp, avif, jpeg, png/],
    [{ format: "svg" }, /it cannot become "svg"/],
    [{ quality: 101 }, /want a quality of 1 to 100/],
    [{ quality: 1.5 }, /want a quality/],
    [{ resize: {} }, /want a width, a height or both/],
    [{ resize: { width: 0 } }, /want a width and height of 1 to 16383/],
    [{ resize: { height: 20_000 } }, /of 1 to 16383/],
    [{ resize: { width: 5, fit: "around" } }, /no fit "around"/],
    [{ strip: "yes" }, /true or false/],
    [{ blur: 5 }, /there is no transform "blur"/],
  ];
  for (const [transforms, message] of bad) {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) });
    const upload = storage.upload("x", body, { transforms });
    await assert.rejects(upload, { kind: "invalid", message });
    assert.ok(cancelled);
  }
  const names = { "a/b": {} };
  await assert.rejects(storage.uploadVariants("x", new Uint8Array(), names), /name of a variant/);
  await assert.rejects(storage.uploadVariants("x", new Uint8Array(), {}), /want 1 to 32 variants/);
});

imageTest("images: limits of bytes and pixels hold while a body comes", loaded, async (sharp) => {
  const photo = await quarters(sharp, 400, 200).png({ compressionLevel: 0 }).toBuffer();
  const transforms = { format: "webp" } as const;
  const endless = () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(pulled++ === 0 ? photo : new Uint8Array(65536)),
    }, { highWaterMark: 0 });
    return { body, pulled: () => pulled };
  };
  for (
    const limit of [{ maxFileSize: 500_000 }, { images: { bytesMax: 500_000 } }]
  ) {
    await using storage = await createStorage({ ...MEMORY, ...limit });
    const { body, pulled } = endless();
    await assert.rejects(storage.upload("x", body, { transforms }), /more than.* 500000 bytes/);
    assert.ok(pulled() < 10);
  }
  await using few = await createStorage({ ...MEMORY, images: { pixelsMax: 400 * 200 - 1 } });
  await assert.rejects(few.upload("x", photo, { transforms }), /400 × 200 pixels are more than/);
  await using storage = await createStorage(MEMORY);
  const bomb = pngOf(60_000, 60_000);
  await assert.rejects(storage.upload("x", bomb, { transforms }), /60000 × 60000 pixels/);
  // As it is, it is bytes like all others.
  await storage.upload("x", bomb);
  const settings = { ...MEMORY, images: { pixelsMax: 0 } };
  await assert.rejects(createStorage(settings), /images\.pixelsMax/);
});

Deno.test("images: who gives up while as many as may be are in memory does not wait for them", async () => {
  const images = new ImageUploads(() => Promise.reject(new RangeError("none is made")));
  const upload = ({ signal }: AbortController) =>
    images.transformed("x", new ReadableStream(), { format: "webp" }, { signal });
  const [first, late] = [new AbortController(), new AbortController()];
  const held = Promise.allSettled(Array.from({ length: 16 }, () => upload(first)));
  const waiting = upload(late);
  late.abort(new RangeError("enough"));
  await assert.rejects(waiting, /enough/);
  first.abort(new RangeError("all"));
  for (const { status } of await held) assert.equal(status, "rejected");
});
