/**
 * Builds the kernel: generated and hand-written AssemblyScript → WASM → `kernel_bytes.ts`.
 * `deno task kernel` rebuilds, `deno run -A wasm/build.ts --check` compares and exits 1 on a
 * difference.
 *
 * @module
 */
import asc from "assemblyscript/asc";
import { blake3Source } from "./generate/blake3.ts";
import { chachaSource } from "./generate/chacha.ts";
import { poly1305Source } from "./generate/poly1305.ts";
import { reedSolomonSource } from "./generate/reed_solomon.ts";

const ASSEMBLY = new URL("./assembly/", import.meta.url);
const OUTPUT = new URL("./kernel_bytes.ts", import.meta.url);

/** Sources that exist only while building, by file name as the compiler asks for them. */
const generated: Record<string, () => string> = {
  "generated/blake3.ts": blake3Source,
  "generated/chacha.ts": chachaSource,
  "generated/poly1305.ts": poly1305Source,
  "generated/reed_solomon.ts": reedSolomonSource,
};

/**
 * `simplify-locals` alone makes faster code than `-O3`, which undoes the stitching. The memory is
 * imported; its real size is chosen where it is made, within these bounds.
 */
const FLAGS = [
  "--runPasses",
  "simplify-locals",
  "--noAssert",
  "--runtime",
  "stub",
  "--enable",
  "simd",
  "--enable",
  "relaxed-simd",
  "--enable",
  "threads",
  "--importMemory",
  "--sharedMemory",
  "--initialMemory",
  "5",
  "--maximumMemory",
  "65536",
  "--use",
  "abort=",
];

function readSource(name: string): string | null {
  const generate = generated[name];
  if (generate !== undefined) return generate();
  try {
    return Deno.readTextFileSync(new URL(name, ASSEMBLY));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null; // the compiler tries several names
    throw error;
  }
}

async function compile(): Promise<Uint8Array> {
  let binary: Uint8Array | null = null;
  const { error, stderr } = await asc.main(["kernel.ts", "-o", "kernel.wasm", ...FLAGS], {
    readFile: readSource,
    writeFile: (_name: string, contents: Uint8Array | string) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === null) throw new Error(stderr.toString(), { cause: error });
  return binary;
}

function asModule(binary: Uint8Array): string {
  const base64 = btoa(Array.from(binary, (byte) => String.fromCharCode(byte)).join(""));
  return `/** The kernel, written by wasm/build.ts. */\nexport const KERNEL_BASE64 =\n  "${base64}";\n`;
}

async function main(): Promise<number> {
  const text = asModule(await compile());
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(OUTPUT, text);
    console.log(`wrote kernel_bytes.ts: ${text.length} characters`);
    return 0;
  }
  if (await Deno.readTextFile(OUTPUT) === text) return 0;
  console.error("wasm/kernel_bytes.ts is not what its sources build: run `deno task kernel`");
  return 1;
}

if (import.meta.main) Deno.exit(await main());
