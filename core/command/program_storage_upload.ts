import { type Command, InvalidArgumentError, Option } from "commander";
import type { ImageFit, ImageFormat, ImageSize, ImageTransforms } from "../objects/images.ts";
import type { Host } from "./host.ts";
import { examples, printing } from "./program_options.ts";
import { formatSize } from "./sizes.ts";
import type { FileRow, StorageOptions } from "./storage.ts";
import { printable } from "./terminal/colours.ts";
import { print, type PrintOptions } from "./terminal/print.ts";

interface UploadFlags extends StorageOptions, PrintOptions {
  readonly tag?: Readonly<Record<string, string>>;
  readonly meta?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly create?: boolean;
  readonly resize?: ImageSize;
  readonly variant?: Readonly<Record<string, ImageSize>>;
  readonly fit?: ImageFit;
  readonly format?: ImageFormat;
  readonly quality?: number;
  readonly rotate: boolean;
  readonly keepMetadata?: boolean;
}

/** Options of every verb of storage. */
export function configured(command: Command): Command {
  return printing(command)
    .option("--config <file>", "settings in JSON or TOML; else STORAGE_… of the environment")
    .option("--provider <name>", "this one, whatever the rules say")
    .option("--usage", "say on stderr what was asked of which provider");
}

/** storage upload. */
export function addUpload(storage: Command, host: Host): void {
  const command = configured(storage.command("upload <file> <path>"))
    .description("store a file, or standard input (-), at a path")
    .option("--tag <key=value>", "say this of it (may be repeated)", pairArgument)
    .option("--meta <key=value>", "keep this with it (may be repeated)", pairArgument)
    .option("--content-type <type>", "else by its name and first bytes")
    .option("--create", "only where nothing is at the path");
  examples(transforming(command), [
    "storage upload report.pdf docs/2026/report.pdf --tag project=engine",
    "tar c photos | sigmavault storage upload - backup/photos.tar",
    "storage upload cat.jpg cat.webp --resize 800x600 --format webp --quality 80",
    "storage upload cat.jpg photos/cat.jpg --variant small=200x200 --variant large=1600x --fit cover",
  ]).action(async (file: string, path: string, flags: UploadFlags) => {
    const target = { host, options: flags };
    const { tag: tags, meta: metadata, contentType, create, variant } = flags;
    const said = { tags, metadata, create };
    const { upload, uploadVariants } = await import("./storage.ts");
    if (variant === undefined) {
      const transforms = transformsOf(flags);
      const row = await upload(target, [file, path], { ...said, contentType, transforms });
      return await print(host, flags, row, uploadedText);
    }
    const variants = Object.fromEntries(
      Object.entries(variant).map(([name, size]) => [name, transformsOf(flags, size) ?? {}]),
    );
    const rows = await uploadVariants(target, [file, path], { ...said, variants });
    await print(host, flags, rows, (rows) => rows.map(uploadedText).join(""));
  });
}

function transforming(command: Command): Command {
  const only = (flags: string, text: string, choices: readonly string[]) =>
    new Option(flags, text).choices(choices);
  return command
    .option("--resize <size>", "an image: not larger than 800x600, 800x or x600", sizeOf)
    .option(
      "--variant <name=size>",
      "store this variant of it instead (may be repeated)",
      variantArgument,
    )
    .addOption(only("--fit <fit>", "how it is brought to that size (default: inside)", FITS))
    .addOption(only("--format <format>", "an image: make this of it", FORMATS))
    .option("--quality <number>", "an image: 1 to 100", qualityOf)
    .option("--no-rotate", "an image: do not turn it as its camera says")
    .option("--keep-metadata", "an image: keep names, places and profiles in it");
}

const FITS: readonly ImageFit[] = ["inside", "outside", "cover", "contain", "fill"];
const FORMATS: readonly ImageFormat[] = ["webp", "avif", "jpeg", "png"];

/** What is to be made of an image; undefined: the file is stored as it is. */
function transformsOf(flags: UploadFlags, size = flags.resize): ImageTransforms | undefined {
  const { fit, format, quality, rotate, keepMetadata: keep } = flags;
  const isWanted = [size, fit, format, quality, keep].some((each) => each !== undefined) || !rotate;
  if (!isWanted) return undefined;
  const resize = size && { ...size, ...fit && { fit } };
  return { ...resize && { resize }, format, quality, rotate, strip: keep !== true };
}

function uploadedText({ path, size, provider }: FileRow): string {
  return `uploaded ${printable(path)}: ${formatSize(size)} at ${provider}\n`;
}

function sizeOf(text: string): ImageSize {
  const sides = /^(\d{1,5})?x?(\d{1,5})?$/.exec(text);
  if (sides === null || text === "x" || text === "") {
    throw new InvalidArgumentError("want 800x600, 800x or x600");
  }
  const [width, height] = sides.slice(1).map((side) =>
    side === undefined ? undefined : Number(side)
  );
  return { ...width !== undefined && { width }, ...height !== undefined && { height } };
}

function variantArgument(
  text: string,
  before: Readonly<Record<string, ImageSize>> = {},
): Record<string, ImageSize> {
  const [[name, size]] = Object.entries(pairArgument(text));
  return { ...before, [name]: sizeOf(size) };
}

function qualityOf(text: string): number {
  const quality = Number(text);
  if (!/^\d+$/.test(text) || quality < 1 || quality > 100) {
    throw new InvalidArgumentError("want 1 to 100");
  }
  return quality;
}

/** Reads `key=value`, one more of them. */
export function pairArgument(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const end = text.indexOf("=");
  if (end < 1) throw new InvalidArgumentError("want key=value");
  return { ...before, [text.slice(0, end)]: text.slice(end + 1) };
}
