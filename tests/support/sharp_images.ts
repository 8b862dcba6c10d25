/** Images that tests make themselves, and whether what makes them can be loaded. */
import type { default as Library, Sharp } from "sharp";

/** sharp, or why it cannot be loaded here. */
export async function loadedSharp(): Promise<
  { readonly sharp: typeof Library } | { readonly missing: string }
> {
  try {
    return { sharp: (await import("sharp")).default };
  } catch (error) {
    const line = error instanceof Error ? error.message.split("\n")[0] : `${error}`;
    return { missing: `no sharp: ${line.replaceAll(/[():]/g, " ")}` };
  }
}

/** Registers a test that needs sharp; where it cannot be loaded, one that is skipped and says why. */
export function imageTest(
  name: string,
  loaded: Awaited<ReturnType<typeof loadedSharp>>,
  body: (sharp: typeof Library) => Promise<void>,
): void {
  const missing = "missing" in loaded ? loaded.missing : undefined;
  Deno.test({
    name: missing === undefined ? name : `${name} (skipped: ${missing})`,
    ignore: missing !== undefined,
    fn: async () => {
      if ("sharp" in loaded) await body(loaded.sharp);
    },
  });
}

/** Four quarters: red, green / blue, white. Where they lie tells how an image was turned. */
export const QUARTERS = ["red", "green", "blue", "white"] as const;

/** An image of {@linkcode QUARTERS}. */
export function quarters(sharp: typeof Library, width: number, height: number): Sharp {
  const [w, h] = [width / 2, height / 2];
  const fills = { red: [255, 0, 0], green: [0, 255, 0], blue: [0, 0, 255], white: [255, 255, 255] };
  const raw = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      raw.set(fills[QUARTERS[(y < h ? 0 : 2) + (x < w ? 0 : 1)]], (y * width + x) * 3);
    }
  }
  return sharp(raw, { raw: { width, height, channels: 3 } });
}

/** Names of the quarters of an image, by the colours in their middles. */
export async function quartersOf(
  sharp: typeof Library,
  image: Uint8Array,
): Promise<{ width: number; height: number; names: string[] }> {
  const { data, info } = await sharp(image).removeAlpha().raw().toBuffer({
    resolveWithObject: true,
  });
  const { width, height, channels } = info;
  const names = [[1, 1], [3, 1], [1, 3], [3, 3]].map(([right, down]) => {
    const at = (Math.floor(height * down / 4) * width + Math.floor(width * right / 4)) * channels;
    const [r, g, b] = data.subarray(at, at + 3).map((value) => value > 128 ? 1 : 0);
    return r + g + b === 3 ? "white" : r === 1 ? "red" : g === 1 ? "green" : "blue";
  });
  return { width, height, names };
}

/** The header of a PNG of this size, with too little behind it. */
export function pngOf(width: number, height: number): Uint8Array {
  const header = new Uint8Array(33);
  header.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  const view = new DataView(header.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  header.set([8, 2, 0, 0, 0], 24); // 8 bits of red, green and blue
  view.setUint32(29, crc32(header.subarray(12, 29)));
  const data = [0, 0, 0, 0, 0x49, 0x44, 0x41, 0x54];
  return new Uint8Array([...header, ...data, ...new Uint8Array(200)]);
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
