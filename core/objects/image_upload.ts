import { collectBody } from "../storage/object_body.ts";
import type { Abortable, ObjectBody } from "../storage/object_store.ts";
import { CallLine } from "./call_lines.ts";
import { sniffedType } from "./content_type.ts";
import type { UploadResult } from "./file_info.ts";
import type { ImageSettings } from "./settings.ts";
import {
  checkTransforms,
  formatOf,
  imageError,
  type ImageFormat,
  type ImageTransformer,
  type ImageTransforms,
  type MadeImage,
  type SourceImage,
  SOURCES,
} from "./images.ts";

/** One of the images that are made of one. */
export interface ImageVariant extends ImageTransforms {
  /** Where it is stored; unless given `photos/cat-small.webp` for the variant `small` of `photos/cat.jpg`. */
  readonly path?: string;
}

const PIXELS_MAX = 100_000_000;
const BYTES_MAX = 64 * 1024 * 1024;
const VARIANTS_MAX = 32;
/** Images that are in memory; the rest waits unread. */
const HELD_MAX = 16;
const VARIANT_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const EXTENSIONS: Readonly<Record<ImageFormat, string>> = {
  webp: "webp",
  avif: "avif",
  jpeg: "jpg",
  png: "png",
};

/** An image as it is stored. */
export interface StoredImage {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/** What of an upload matters for reading it. */
export type ReadOptions = Abortable & { readonly size?: number };

/** Transforms images on their way up. */
export class ImageUploads {
  readonly #open: () => Promise<ImageTransformer>;
  readonly #pixelsMax: number;
  readonly #bytesMax: number;
  readonly #held = new CallLine(HELD_MAX);

  /** `open` is called when the first image comes. */
  constructor(open: () => Promise<ImageTransformer>, limits: ImageSettings = {}) {
    this.#open = open;
    this.#pixelsMax = limits.pixelsMax ?? PIXELS_MAX;
    this.#bytesMax = limits.bytesMax ?? BYTES_MAX;
  }

  /** Makes one image of another. */
  async transformed(
    path: string,
    body: ObjectBody,
    transforms: ImageTransforms,
    options: ReadOptions,
  ): Promise<StoredImage> {
    checkTransforms(path, transforms);
    return await this.#held.take(options, async () => {
      const source = await this.#read(path, body, options);
      return await this.#made(source, transforms, options);
    });
  }

  /** Makes all variants of an image; none is given before all are made. */
  async variants(
    path: string,
    body: ObjectBody,
    variants: Readonly<Record<string, ImageVariant>>,
    options: ReadOptions,
  ): Promise<readonly VariantImage[]> {
    checkVariants(path, variants);
    return await this.#held.take(options, async () => {
      const source = await this.#read(path, body, options);
      const named = Object.entries(variants).map(([name, { path: own, ...transforms }]) => {
        const format = formatOf(source, transforms);
        return { name, transforms, path: own ?? variantPath(path, name, format) };
      });
      const taken = new Set(named.map((each) => each.path));
      if (taken.size < named.length) throw imageError(path, "two variants have one path");
      const made: VariantImage[] = [];
      for (const { transforms, ...its } of named) {
        made.push({ ...its, ...await this.#made(source, transforms, options) });
      }
      return made;
    });
  }

  async #read(path: string, body: ObjectBody, options: ReadOptions): Promise<SourceImage> {
    const call = { provider: "", operation: "transform", path };
    const bytes = await collectBody(body, { ...options, call, most: this.#bytesMax });
    return { path, bytes, format: await sourceFormat(path, bytes) };
  }

  async #made(
    source: SourceImage,
    transforms: ImageTransforms,
    { signal }: Abortable,
  ): Promise<StoredImage> {
    const transformer = await this.#open();
    const made: MadeImage = await transformer.make(source, transforms, {
      signal,
      pixelsMax: this.#pixelsMax,
    });
    return { bytes: made.bytes, contentType: `image/${made.format}` };
  }
}

/** A variant that was made. */
export interface VariantImage extends StoredImage {
  readonly name: string;
  readonly path: string;
}

/** By the first bytes: only decoders for these formats ever see them. */
async function sourceFormat(path: string, bytes: Uint8Array): Promise<SourceImage["format"]> {
  const type = await sniffedType(bytes);
  const format = type === undefined ? undefined : SOURCES[type];
  if (format !== undefined) return format;
  const wanted = `want ${[...new Set(Object.values(SOURCES))].join(", ")}`;
  throw imageError(path, `${strange(bytes, type)}; ${wanted}`);
}

function strange(bytes: Uint8Array, type: string | undefined): string {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 4096));
  if (/<svg[\s>]/i.test(start)) {
    return "SVG is a program for whoever draws it, so nobody knows beforehand what that costs and reads";
  }
  return type === undefined ? "it is no image that is known" : `${type} cannot be read`;
}

function checkVariants(path: string, variants: Readonly<Record<string, ImageVariant>>): void {
  const entries = Object.entries(variants);
  if (entries.length === 0 || entries.length > VARIANTS_MAX) {
    throw imageError(path, `want 1 to ${VARIANTS_MAX} variants`);
  }
  for (const [name, { path: _, ...transforms }] of entries) {
    if (!VARIANT_NAME.test(name)) {
      throw imageError(path, `want letters, digits, _ and - as the name of a variant`);
    }
    checkTransforms(path, transforms);
  }
}

function variantPath(path: string, name: string, format: ImageFormat): string {
  return `${path.replace(/(?<=[^/])\.[^./]*$/, "")}-${name}.${EXTENSIONS[format]}`;
}

/** How variants get to where they belong. */
export interface VariantStore {
  /** True where something is there already; throws where nothing ever could be. */
  exists(path: string): Promise<boolean>;
  put(image: VariantImage): Promise<UploadResult>;
  /** Removes just this state. */
  takeBack(result: UploadResult): Promise<void>;
}

/**
 * Stores all variants. Where one cannot be, those are removed again that were stored where nothing had been; one that replaced
 * an older file stays. Throws the first failure.
 */
export async function storeVariants(
  images: readonly VariantImage[],
  store: VariantStore,
): Promise<Record<string, UploadResult>> {
  const wasThere = await Promise.all(images.map(({ path }) => store.exists(path)));
  const outcomes = await Promise.allSettled(images.map((image) => store.put(image)));
  const failed = outcomes.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") {
    await Promise.allSettled(outcomes.map((outcome, i) => {
      return outcome.status === "fulfilled" && !wasThere[i] ? store.takeBack(outcome.value) : null;
    }));
    throw failed.reason;
  }
  const results = outcomes.flatMap((outcome, i) => {
    return outcome.status === "fulfilled" ? [[images[i].name, outcome.value] as const] : [];
  });
  return Object.fromEntries(results);
}
