/** What the module exports; `wasm/kernel.ts` is its only caller. */
export { attach } from "./scratch";
export { openMany, openPart, poly1305, sealIetf, sealMany } from "./aead";
export { blake3 } from "./blake3";
export { rsEncode, rsReconstruct } from "./reed_solomon";
export { permute, unpermute } from "./permutation";
export { fillRandom, hchacha, wipe } from "./fill";
