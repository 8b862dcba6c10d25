/**
 * `send` and `receive`: streams over standard output and input.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { ReceiveReport } from "../vault/stream_receive.ts";
import type { StreamSecret } from "../vault/stream_send.ts";
import type { Host } from "./host.ts";
import { type VaultTarget, withVault } from "./open.ts";
import { readSecret } from "./secrets.ts";
import { formatSize } from "./sizes.ts";
import { progressOn } from "./terminal/progress.ts";
import { splitVaultName } from "./vault_name.ts";

/** Where the secret of a stream is. */
export interface StreamSecretOptions {
  readonly streamPassphraseFile?: string;
  readonly streamPassphraseFd?: number;
}

/** What `send` is told. */
export interface SendOrder extends StreamSecretOptions {
  readonly from?: string;
  readonly resume?: string;
}

/** What `send` has written. */
export interface SendReport {
  readonly volume: string;
  readonly snapshot: string;
  readonly from: string | null;
  readonly streamBytes: number;
}

async function withStreamSecret<T>(
  host: Host,
  { streamPassphraseFile, streamPassphraseFd }: StreamSecretOptions,
  use: (secret: StreamSecret) => Promise<T>,
): Promise<T> {
  const source = streamPassphraseFile ?? streamPassphraseFd;
  if (source === undefined) return await use({});
  const passphrase = await readSecret(host, source);
  try {
    return await use({ passphrase });
  } finally {
    passphrase.fill(0);
  }
}

/** Writes a snapshot to standard output. */
export async function send(
  target: VaultTarget,
  snapshot: string,
  order: SendOrder,
): Promise<SendReport> {
  const { host } = target;
  if (host.out.isTerminal) {
    throw new VaultError("invalid", "Cannot send to a terminal: send to a file or another program");
  }
  const { medium, view } = await splitVaultName(host, target.medium);
  const bar = progressOn(host.err, host.runtime);
  try {
    return await withStreamSecret(
      host,
      order,
      (secret) =>
        withVault({ ...target, medium }, "read", async (vault) => {
          const volume = view ?? vault.opened.volumes.nameOf(vault.opened.volume.id);
          const { from, resume } = order;
          const progress = (done: number, total: number) => bar.show(done, total, "send");
          const stream = vault.streams.send(volume, snapshot, {
            from,
            resume,
            progress,
            ...secret,
          });
          let streamBytes = 0;
          for await (const frame of stream) {
            await host.pipes.write(frame);
            streamBytes += frame.length;
          }
          return { volume, snapshot, from: from ?? null, streamBytes };
        }),
    );
  } finally {
    await bar.clear();
  }
}

/** For people. */
export function sentText({ volume, snapshot, from, streamBytes }: SendReport): string {
  const since = from === null ? "" : ` since ${from}`;
  return `sent ${volume}@${snapshot}${since}: ${formatSize(streamBytes)}\n`;
}

/** Receives standard input into a volume. */
export async function receive(
  target: VaultTarget,
  volume: string,
  order: StreamSecretOptions,
): Promise<ReceiveReport> {
  const { host } = target;
  if (host.pipes.inputIsTerminal) {
    throw new VaultError(
      "invalid",
      "Cannot receive from a terminal: give it what send has written",
    );
  }
  await requireWhole(target);
  const bar = progressOn(host.err, host.runtime);
  try {
    return await withStreamSecret(
      host,
      order,
      (secret) =>
        withVault(target, "write", async ({ streams }) => {
          const progress = (done: number, total: number) => bar.show(done, total, "receive");
          try {
            return await streams.receive(volume, host.pipes.input(), { progress, ...secret });
          } catch (error) {
            if (await streams.resumeToken(volume) !== null) await tellKept(target, volume);
            throw error;
          }
        }),
    );
  } finally {
    await bar.clear();
  }
}

async function tellKept({ host, medium }: VaultTarget, volume: string): Promise<void> {
  await host.err.write(
    "sigmavault: what has arrived is kept; to go on, send with --resume and what " +
      `"receive ${medium} ${volume} --resume-token" prints\n`,
  );
}

/** A volume is named behind the medium, which says nothing more. */
async function requireWhole({ host, medium }: VaultTarget): Promise<void> {
  const { view } = await splitVaultName(host, medium);
  if (view === null) return;
  throw new VaultError("invalid", `Cannot receive: name the vault without "#${view}"`);
}

/** For people. */
export function receivedText({ volume, snapshot, contentBytes }: ReceiveReport): string {
  return `received ${volume}@${snapshot}: ${formatSize(contentBytes)} of content\n`;
}

/** What `send --resume` takes. */
export async function resumeToken(
  target: VaultTarget,
  volume: string,
): Promise<{ readonly token: string }> {
  await requireWhole(target);
  const token = await withVault(target, "read", ({ streams }) => streams.resumeToken(volume));
  if (token !== null) return { token };
  throw new VaultError(
    "missing",
    `Cannot resume receiving into volume "${volume}": nothing was interrupted`,
  );
}

/** Gives up what was interrupted. */
export async function abandonReceive(
  target: VaultTarget,
  volume: string,
): Promise<{ readonly volume: string }> {
  await requireWhole(target);
  await withVault(target, "write", async (vault) => {
    await vault.streams.abandon(volume);
    await vault.volumes.free();
  });
  return { volume };
}
