import type { Sharp, SharpOptions } from "sharp";
import type Library from "sharp";
import { VaultError } from "../../core/errors.ts";
import { CallLine } from "../../core/objects/call_lines.ts";
import {
  formatOf,
  imageError,
  type ImageTransformer,
  type ImageTransforms,
  type MadeImage,
  type SourceImage,
} from "../../core/objects/images.ts";
import type { Abortable } from "../../core/storage/object_store.ts";

/** Frames of an animation. */
const FRAMES_MAX = 1000;
/** Nothing that is worth having takes longer. */
const SECONDS_MAX = 120;
/** Each may take some hundred MiB of memory. */
const AT_ONCE = 2;

type MakeOptions = Abortable & { readonly pixelsMax: number };

/** Images by sharp, which is loaded here. */
export async function openSharp(): Promise<ImageTransformer> {
  const { default: sharp } = await loadSharp();
  return new SharpTransformer(sharp);
}

async function loadSharp(): Promise<typeof import("sharp")> {
  try {
    return await import("sharp");
  } catch (cause) {
    // It puts what the runtime said into a message of its own.
    const said = cause instanceof Error ? cause.message.split("\n") : [];
    const denied = said.find((line) => line.includes("run again with the --allow-"));
    const why = denied === undefined ? "it cannot be loaded" : `this program may not: ${denied}`;
    throw new VaultError(
      denied === undefined ? "invalid" : "denied",
      `Cannot transform images with sharp: ${why}`,
      { operation: "transform", cause },
    );
  }
}

class SharpTransformer implements ImageTransformer {
  readonly #sharp: typeof Library;
  readonly #turns = new CallLine(AT_ONCE);

  constructor(sharp: typeof Library) {
    this.#sharp = sharp;
  }

  async make(
    image: SourceImage,
    transforms: ImageTransforms,
    options: MakeOptions,
  ): Promise<MadeImage> {
    const { signal } = options;
    const format = formatOf(image, transforms);
    return await this.#turns.take(options, async () => {
      const { isAnimated } = await this.#looked(image, transforms, options);
      const animated = isAnimated && format === "webp";
      const pipeline = this.#pipeline(image, transforms, { ...options, animated, format });
      const bytes = await reported(image.path, () => pipeline.toBuffer());
      // Nothing can stop it halfway; the limits do.
      signal?.throwIfAborted();
      return { bytes, format };
    });
  }

  /** Reads no more than the header. */
  async #looked(
    { path, bytes, format }: SourceImage,
    { rotate = true, format: wanted }: ImageTransforms,
    { pixelsMax }: MakeOptions,
  ): Promise<{ isAnimated: boolean }> {
    const known = await reported(path, () => {
      return this.#sharp(bytes, { limitInputPixels: false }).metadata();
    });
    const { width, height, pages = 1, orientation = 1 } = known;
    if (known.format !== (format === "avif" ? "heif" : format)) {
      throw imageError(path, `it begins as ${format} and goes on as ${known.format}`);
    }
    const isAnimated = pages > 1 && (format === "gif" || format === "webp");
    const frames = isAnimated ? pages : 1;
    if (width * height * frames > pixelsMax) {
      const its = `${width} × ${height} pixels${frames > 1 ? ` in ${frames} frames` : ""}`;
      throw imageError(path, `its ${its} are more than the ${pixelsMax} that are allowed`);
    }
    if (frames > FRAMES_MAX) throw imageError(path, `more than ${FRAMES_MAX} frames`);
    const isTurned = rotate && orientation !== 1;
    if (isAnimated && isTurned && (wanted ?? format) === "webp") {
      throw imageError(path, "its frames are to be turned, which only still images can be");
    }
    return { isAnimated };
  }

  #pipeline(
    { bytes }: SourceImage,
    { resize, quality, rotate = true, strip = true }: ImageTransforms,
    { pixelsMax, animated, format }: MakeOptions & {
      readonly animated: boolean;
      readonly format: MadeImage["format"];
    },
  ): Sharp {
    const input: SharpOptions = { limitInputPixels: pixelsMax, animated };
    let pipeline = this.#sharp(bytes, input).timeout({ seconds: SECONDS_MAX });
    if (rotate) pipeline = pipeline.autoOrient();
    const isOpaque = format === "jpeg";
    if (resize !== undefined) {
      const { width, height, fit = "inside" } = resize;
      const background = isOpaque ? WHITE : CLEAR;
      pipeline = pipeline.resize({ width, height, fit, background, withoutEnlargement: true });
    }
    if (isOpaque) pipeline = pipeline.flatten({ background: WHITE });
    if (!strip) pipeline = pipeline.keepMetadata();
    return pipeline.toFormat(format, format === "png" ? {} : { quality });
  }
}

const WHITE = { r: 255, g: 255, b: 255, alpha: 1 };
const CLEAR = { r: 255, g: 255, b: 255, alpha: 0 };

/** Whatever the library says of an image is the image's mistake. */
async function reported<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n")[0] : "it does not hold together";
    throw imageError(path, why, cause);
  }
}
