/** sharp is loaded when the first image is transformed, and README's flags are enough for it. */
import assert from "node:assert/strict";
import { imageTest, loadedSharp, quarters } from "../../tests/support/sharp_images.ts";

const loaded = await loadedSharp();
const PROGRAM = new URL("../../tests/support/image_program.ts", import.meta.url).href;

/** Runs the program on an image, with these flags. */
async function run(image: Uint8Array, flags: (path: string) => string[], ...args: string[]) {
  const path = await Deno.makeTempFile({ suffix: ".png" });
  await Deno.writeFile(path, image);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...flags(path), PROGRAM, path, ...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  await Deno.remove(path);
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

imageTest(
  "sharp: nothing of it is in a program that transforms no image",
  loaded,
  async (sharp) => {
    const image = await quarters(sharp, 8, 8).png().toBuffer();
    const { stdout, stderr } = await run(image, () => ["--allow-all"], "watching");
    assert.deepEqual([stdout, stderr], ['{"before":false,"after":true}\n', ""]);
  },
);

imageTest(
  "sharp: README's flags are enough; without them the message says which",
  loaded,
  async (sharp) => {
    const image = await quarters(sharp, 8, 8).png().toBuffer();
    const its = ["--allow-ffi", "--allow-env"];
    const enough = await run(image, (path) => [...its, `--allow-read=${path},/usr/bin/ldd`]);
    assert.deepEqual([enough.code, enough.stderr], [0, ""]);
    const denied = await run(image, (path) => ["--allow-env", `--allow-read=${path},/usr/bin/ldd`]);
    assert.match(denied.stderr, /Cannot transform images with sharp: .*--allow-ffi/);
  },
);
