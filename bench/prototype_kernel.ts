/**
 * Builds the prototype kernel from its generators and offers its functions for a comparison.
 *
 * @module
 */
import asc from "assemblyscript/asc";

/** Functions that each do one call's work. */
export interface Prototype {
  seal(length: number): () => void;
  open(length: number): () => void;
  blake3(length: number): () => void;
  encode(shardBytes: number): () => void;
  permute(n: number): (x: number) => unknown;
}

type Exported = (...values: number[]) => number;

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
  "--memoryBase",
  "65536",
  "--initialMemory",
  "200",
];

/** Addresses in the prototype's memory, clear of the scratch it uses. */
const AT = { key: 0x2000, nonce: 0x2040, aad: 0x2080, out: 0x20c0, data: 0x20000, to: 0x200040 };
const RS = { inputs: 0x1800, outputs: 0x1900, tables: 0x2000 };

async function generate(directory: string, script: string, output: string): Promise<string> {
  const work = await Deno.makeTempDir();
  try {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${directory}/${script}`],
      cwd: work,
      env: { FINE: "1", OUT: output },
    }).output();
    if (!success) throw new Error(`Cannot run "${script}"`);
    return await Deno.readTextFile(`${work}/${output}`);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function build(source: string): Promise<Record<string, Exported> & { bytes: Uint8Array }> {
  let binary = new Uint8Array();
  const { error, stderr } = await asc.main(["kernel.ts", "-o", "kernel.wasm", ...FLAGS], {
    readFile: (name: string) => name === "kernel.ts" ? source : null,
    writeFile: (_name: string, contents: Uint8Array | string) => {
      if (typeof contents !== "string") binary = new Uint8Array(contents);
    },
    listFiles: () => [],
  });
  if (error !== null) throw new Error(stderr.toString(), { cause: error });
  const imports = { env: { abort: () => {}, seed: () => 1 } };
  const { instance } = await WebAssembly.instantiate(binary, imports);
  const exports = instance.exports as Record<string, unknown>;
  const memory = exports.memory as WebAssembly.Memory;
  return Object.assign({ ...exports } as Record<string, Exported>, {
    bytes: new Uint8Array(memory.buffer),
  });
}

/** Builds all four parts from the generators in a directory. */
export async function buildPrototype(path: string): Promise<Prototype> {
  const directory = await Deno.realPath(path); // generators run elsewhere
  const aead = await build(await generate(directory, "genk.mjs", "kernel_fine.ts"));
  const hash = await build(await generate(directory, "genb3.mjs", "kernel_blake3.ts"));
  const code = await build(await generate(directory, "genrs.mjs", "kernel_rs.ts"));
  const order = await build(await Deno.readTextFile(`${directory}/kernel_perm.ts`));
  return {
    seal: (length) => () => void aead.seal(AT.to, AT.data, length, AT.aad, 32, AT.key, AT.nonce),
    open: (length) => () => {
      if (aead.open(AT.data, AT.to, length, AT.aad, 32, AT.key, AT.nonce) !== 1) {
        throw new Error("Cannot open what the prototype just sealed");
      }
    },
    blake3: (length) => () => void hash.blake3Keyed(AT.out, AT.data, length, AT.key),
    encode: (shardBytes) => {
      const words = new Uint32Array(code.bytes.buffer);
      for (let i = 0; i < 6; i++) {
        words[i < 4 ? RS.inputs / 4 + i : RS.outputs / 4 + i - 4] = AT.data + i * shardBytes;
      }
      return () => void code.mul2r(RS.inputs, 4, RS.outputs, RS.tables, shardBytes);
    },
    permute: (n) => {
      order.permInit(1, 2, 3, 4, n);
      return order.perm8;
    },
  };
}
