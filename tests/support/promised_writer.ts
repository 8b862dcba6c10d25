import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { openMedium } from "../../backends/open_medium.ts";
import { MIB } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { checkVault } from "../../core/vault/check.ts";
import { openVault } from "../../core/vault/vault.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { contentOf } from "./acknowledging_writer.ts";
import { CHEAP_KDF, testSecret } from "./vault_program.ts";

const writer = new URL("./acknowledging_writer.ts", import.meta.url).pathname;

/** What a writer began. */
interface Begun {
  readonly what: string;
  readonly name: string;
  readonly content: Content;
}

interface Content {
  readonly length: number;
  readonly tag: number;
}

/** A program that writes, and what it was promised. */
export class PromisedWriter {
  readonly directory: string;
  readonly ended: Promise<void>;
  /** What every file was acknowledged to hold. */
  readonly files = new Map<string, Content>();
  /** What was not acknowledged. */
  begun: Begun | null = null;
  acknowledged = 0;
  readonly #child: Deno.ChildProcess;

  constructor(directory: string, seed: number, heard: () => void) {
    this.directory = directory;
    Deno.mkdirSync(directory);
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", writer, directory, String(seed)],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.ended = this.#listen(heard);
  }

  async #listen(heard: () => void): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#note(line.split(" "));
      heard();
    }
    await this.#child.status;
  }

  #note([what, name, length, tag]: string[]): void {
    if (what !== "done") {
      this.begun = { what, name, content: { length: Number(length), tag: Number(tag) } };
      return;
    }
    assert.ok(this.begun !== null, "what is done was begun");
    if (this.begun.what === "remove") this.files.delete(this.begun.name);
    else this.files.set(this.begun.name, this.begun.content);
    this.begun = null;
    this.acknowledged++;
  }

  /** Everything that was promised is there, and nothing else but what was begun; says how many files are. */
  verify(): number {
    const names = new Set([...Deno.readDirSync(this.directory)].map(({ name }) => name));
    const { begun } = this;
    for (const [name, content] of this.files) {
      const there = names.delete(name);
      if (begun?.name === name && begun.what === "remove" && !there) continue;
      assert.ok(there, `${name} is gone`);
      const bytes = Deno.readFileSync(`${this.directory}/${name}`);
      const isNext = begun?.name === name && isWhole(bytes, begun.content);
      assert.ok(isWhole(bytes, content) || isNext, `${name} is not what was acknowledged`);
    }
    for (const name of names) {
      assert.ok(begun !== null && (name === begun.name || name === "fresh"), `${name} is back`);
      const bytes = Deno.readFileSync(`${this.directory}/${name}`);
      assert.ok(isBeginning(bytes, begun.content), `${name} has wrong bytes`);
    }
    return this.files.size;
  }
}

function isBeginning(bytes: Uint8Array, { length, tag }: Content): boolean {
  if (bytes.length > length) return false;
  return Buffer.compare(contentOf(tag, length).subarray(0, bytes.length), bytes) === 0;
}

function isWhole(bytes: Uint8Array, content: Content): boolean {
  return bytes.length === content.length && isBeginning(bytes, content);
}

/** Opens a vault of the tests that is not mounted, and checks it. */
export async function checkClosed(path: string): Promise<void> {
  const medium = await openMedium(path);
  const kernel = createKernel({ memoryBytes: 48 * MIB });
  const parts = { medium, kernel, runtime: systemRuntime };
  await using vault = await openVault(parts, { secret: testSecret(), profiles: [CHEAP_KDF] });
  assert.deepEqual((await checkVault(vault)).problems, []);
}
