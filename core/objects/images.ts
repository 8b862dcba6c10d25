import { VaultError } from "../errors.ts";
import type { Abortable } from "../storage/object_store.ts";

/** What images can be made to be. */
export type ImageFormat = "webp" | "avif" | "jpeg" | "png";

/** What images can be made from. */
export type SourceFormat = ImageFormat | "gif" | "tiff";

/** How an image of other proportions is brought to a size. */
export type ImageFit =
  /** As large as fits inside: nothing is cut off. */
  | "inside"
  /** As small as fills it: may stick out. */
  | "outside"
  /** Fills it; what sticks out is cut off, on both sides alike. */
  | "cover"
  /** Inside, with margins that are transparent, or white where the format has no transparency. */
  | "contain"
  /** Stretched. */
  | "fill";

/** The size of an image that is made; the other side follows where one is given. Images are never made larger. */
export interface ImageSize {
  /** Pixels, 1 to 16,383. */
  readonly width?: number;
  /** Likewise. */
  readonly height?: number;
  /** `inside` unless given. */
  readonly fit?: ImageFit;
}

/** What to make of an image. */
export interface ImageTransforms {
  /** As large as it is unless given. */
  readonly resize?: ImageSize;
  /** That of the source unless given; of a GIF or TIFF it must be. */
  readonly format?: ImageFormat;
  /** 1 to 100; the encoder's own choice unless given. PNG loses nothing and has none. */
  readonly quality?: number;
  /** Turned as its EXIF orientation says, before all else; so unless `false`. */
  readonly rotate?: boolean;
  /**
   * Leaves out EXIF (with places and names), XMP, IPTC and colour profiles, whose colours become sRGB before; so unless
   * `false`.
   */
  readonly strip?: boolean;
}

/** An image whose format is known by its first bytes. */
export interface SourceImage {
  /** For messages. */
  readonly path: string;
  /** The file. */
  readonly bytes: Uint8Array;
  /** What its first bytes say. */
  readonly format: SourceFormat;
}

/** An image that was made. */
export interface MadeImage {
  /** The file. */
  readonly bytes: Uint8Array;
  /** Its format. */
  readonly format: ImageFormat;
}

/** Makes images of others. */
export interface ImageTransformer {
  /** Makes one. More than `pixelsMax` pixels in all frames are `invalid`, and so is what does not hold together. */
  make(
    image: SourceImage,
    transforms: ImageTransforms,
    options: Abortable & { readonly pixelsMax: number },
  ): Promise<MadeImage>;
}

/** Of a side that is made: WebP has no more. */
export const SIDE_PIXELS_MAX = 16_383;

const FORMATS: readonly ImageFormat[] = ["webp", "avif", "jpeg", "png"];
const FITS: readonly ImageFit[] = ["inside", "outside", "cover", "contain", "fill"];
const KNOWN = ["resize", "format", "quality", "rotate", "strip"];

/** Formats by the content type that first bytes show. */
export const SOURCES: Readonly<Record<string, SourceFormat>> = {
  "image/jpeg": "jpeg",
  "image/png": "png",
  "image/apng": "png",
  "image/webp": "webp",
  "image/avif": "avif",
  "image/gif": "gif",
  "image/tiff": "tiff",
};

/** `Cannot transform "a/b": why`. */
export function imageError(path: string, why: string, cause?: unknown): VaultError {
  const message = `Cannot transform ${JSON.stringify(path)}: ${why}`;
  return new VaultError("invalid", message, { operation: "transform", cause });
}

/** Throws `invalid` for transforms that nobody could do; what comes from JavaScript may be anything. */
export function checkTransforms(path: string, transforms: ImageTransforms): void {
  const { resize, format, quality, rotate, strip } = transforms;
  const why = Object.keys(transforms).filter((name) => !KNOWN.includes(name))
    .map((name) => `there is no transform "${name}": want ${KNOWN.join(", ")}`)[0] ??
    (resize && whyNoSize(resize)) ??
    (format === undefined || FORMATS.includes(format)
      ? undefined
      : `it cannot become "${format}": want ${FORMATS.join(", ")}`) ??
    (quality === undefined || isWithin(quality, 100) ? undefined : "want a quality of 1 to 100") ??
    ([rotate, strip].every((flag) => flag === undefined || typeof flag === "boolean")
      ? undefined
      : "want true or false for rotate and strip");
  if (why !== undefined) throw imageError(path, why);
}

function whyNoSize({ width, height, fit }: ImageSize): string | undefined {
  if (width === undefined && height === undefined) return "want a width, a height or both";
  const isSide = (side?: number) => side === undefined || isWithin(side, SIDE_PIXELS_MAX);
  if (!isSide(width) || !isSide(height)) {
    return `want a width and height of 1 to ${SIDE_PIXELS_MAX}`;
  }
  if (fit !== undefined && !FITS.includes(fit)) return `no fit "${fit}": want ${FITS.join(", ")}`;
}

function isWithin(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most;
}

/** What becomes of an image: its own format where nothing is said. */
export function formatOf(
  { path, format }: Pick<SourceImage, "path" | "format">,
  transforms: ImageTransforms,
): ImageFormat {
  if (transforms.format !== undefined) return transforms.format;
  const own = FORMATS.find((each) => each === format);
  if (own !== undefined) return own;
  throw imageError(path, `${format} is only read: want a format, ${FORMATS.join(", ")}`);
}
