/**
 * `lock`, `unlock` and `shred` in the process that mounted the vault.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { ControlCall, ControlVerb } from "../vault/control.ts";
import { shownPath } from "../vault/path_failure.ts";

/** Verbs on files of the mounted volume. */
export const LOCK_VERBS: Readonly<Record<string, ControlVerb>> = {
  lock: (call) =>
    changing(call, "lock", async ({ vault: { files }, options }, path) => {
      const passphrase = passphraseOf(call);
      await files.lock(path, {
        passphrase,
        freeCells: options.freeCells === true,
        ...told(call),
      });
    }),
  unlock: (call) =>
    changing(call, "unlock", async ({ vault: { files }, options }, path) => {
      const until = options.untilUmount === true ? "close" : undefined;
      await files.unlock(path, { passphrase: passphraseOf(call), until, ...told(call) });
    }),
  /** The content only: who asked removes the name through the mount, so that the kernel knows, and then says so. */
  shred: (call) =>
    changing(call, "shred", async ({ vault }, path, ino) => {
      const { line } = vault.opened.volume.locks;
      await vault.locks.shred({ line, ino, path: shownPath(path) }, told(call));
    }),
  /** Of the mounted volume. */
  "lock list": ({ vault: { opened: { volume } } }) =>
    Promise.resolve({ inos: [...volume.engine.locks.line(volume.locks.line).records.keys()] }),
  "shred done": async ({ vault, options: { ino } }) => {
    if (typeof ino !== "number") throw badOption("shred", "ino");
    await vault.fileSystem.syncAll();
    await vault.locks.forgetIfGone({ line: vault.opened.volume.locks.line, ino });
    return {};
  },
};

function told({ progress, signal }: ControlCall) {
  return {
    signal,
    progress: ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }) =>
      progress?.(doneBytes, totalBytes),
  };
}

async function changing(
  call: ControlCall,
  verb: string,
  work: (call: ControlCall, path: Uint8Array, ino: number) => Promise<void>,
): Promise<{ readonly ino: number; readonly overwrites: boolean }> {
  const { vault, transaction, options: { path } } = call;
  if (!(path instanceof Uint8Array)) throw badOption(verb, "path");
  transaction.requireOneVolume(`${verb} a file`);
  const { ino } = await vault.files.stat(path);
  await transaction.changingContent(`${verb} a file`, ino, () => work(call, path, ino));
  return { ino, overwrites: vault.locks.overwrites };
}

function passphraseOf({ options: { passphrase } }: ControlCall): Uint8Array {
  if (passphrase instanceof Uint8Array && passphrase.length > 0) return passphrase;
  throw badOption("use the passphrase of a file", "passphrase");
}

function badOption(what: string, name: string): VaultError {
  return new VaultError("invalid", `Cannot ${what}: option "${name}" is wrong`);
}
