/**
 * `send` and `receive`: streams over standard output and input.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { ReceiveReport } from "../vault/stream_receive.ts";
import type { SendOptions, StreamSecret } from "../vault/stream_send.ts";
import type { Host, RunningMount } from "./host.ts";
import { onMountOr, type VaultTarget, withVault } from "./open.ts";
import { readSecret } from "./secrets.ts";
import { formatSize } from "./sizes.ts";
import { PART_BYTES } from "./stream_verbs.ts";
import { type Progress, progressOn } from "./terminal/progress.ts";
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
  /** As blocks that the receiver keeps without their key. */
  readonly raw?: boolean;
  /** What such blocks are, by whoever has their key. */
  readonly open?: boolean;
}

/** What `send` has written. */
export interface SendReport {
  readonly volume: string;
  readonly snapshot: string;
  readonly from: string | null;
  readonly streamBytes: number;
}

/** What is written to standard output, and of which volume it is. */
interface Sent {
  readonly volume: string;
  readonly frames: AsyncIterable<Uint8Array>;
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

async function withBar<T>({ err, runtime }: Host, use: (bar: Progress) => Promise<T>): Promise<T> {
  const bar = progressOn(err, runtime);
  try {
    return await use(bar);
  } finally {
    await bar.clear();
  }
}

function formOf({ raw, open }: SendOrder): SendOptions["form"] {
  if (raw === true && open === true) {
    throw new VaultError("invalid", "Cannot send both raw and opened: say one of the options");
  }
  return raw === true ? "raw" : open === true ? "opened" : undefined;
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
  const { from, resume } = order;
  const form = formOf(order);
  const write = async ({ volume, frames }: Sent, shown: (bytes: number) => void) => {
    let streamBytes = 0;
    for await (const frame of frames) {
      await host.pipes.write(frame);
      streamBytes += frame.length;
      shown(streamBytes);
    }
    return { volume, snapshot, from: from ?? null, streamBytes };
  };
  const { medium, view } = await splitVaultName(host, target.medium);
  const mount = await host.runningMount(medium);
  return await withStreamSecret(
    host,
    order,
    (secret) =>
      withBar(host, async (bar) => {
        if (mount !== null) {
          const asked = { volume: view, snapshot, from, resume, form, ...secret };
          return await sendMounted(
            mount,
            asked,
            (sent) => write(sent, (bytes) => bar.show(bytes, 0, "send")),
          );
        }
        return await withVault({ ...target, medium }, "read", (vault) => {
          const volume = view ?? vault.opened.volumes.nameOf(vault.opened.volume.id);
          const progress = (done: number, total: number) => bar.show(done, total, "send");
          const options = { from, resume, form, progress, ...secret };
          const frames = vault.streams.send(volume, snapshot, options);
          return write({ volume, frames }, () => {});
        });
      }),
  );
}

async function sendMounted<T>(
  mount: RunningMount,
  asked:
    & { readonly volume: string | null; readonly snapshot: string }
    & Omit<SendOptions, "progress" | "from">
    & StreamSecret
    & Pick<SendOrder, "from">,
  use: (sent: Sent) => Promise<T>,
): Promise<T> {
  try {
    const { id, volume } = await mount.call("send open", { ...asked }) as {
      id: number;
      volume: string;
    };
    return await use({ volume, frames: partsOf(mount, id) });
  } finally {
    // The mount lets go what it held for this.
    mount.close();
  }
}

async function* partsOf(mount: RunningMount, id: number): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytes } = await mount.call("send read", { id }) as { readonly bytes: Uint8Array };
    if (bytes.length === 0) return;
    yield bytes;
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
  order: StreamSecretOptions & { readonly raw?: boolean },
): Promise<ReceiveReport> {
  const { host } = target;
  const raw = order.raw === true;
  const mount = await mountToReceive(target);
  return await withStreamSecret(
    host,
    order,
    (secret) =>
      withBar(host, async (bar): Promise<ReceiveReport> => {
        if (mount !== null) {
          return await receiveMounted(target, mount, { volume, raw, ...secret }, bar);
        }
        return await withVault(target, "write", async ({ streams }) => {
          const progress = (done: number, total: number) => bar.show(done, total, "receive");
          try {
            return await streams.receive(volume, host.pipes.input(), { progress, raw, ...secret });
          } catch (error) {
            if (await streams.resumeToken(volume) !== null) await tellKept(target, volume);
            throw error;
          }
        });
      }),
  );
}

/** Where standard input goes, if that can be. */
async function mountToReceive(target: VaultTarget): Promise<RunningMount | null> {
  const { host, medium } = target;
  if (host.pipes.inputIsTerminal) {
    throw new VaultError(
      "invalid",
      "Cannot receive from a terminal: give it what send has written",
    );
  }
  await requireWhole(target);
  return await host.runningMount(medium);
}

async function receiveMounted(
  target: VaultTarget,
  mount: RunningMount,
  asked: { readonly volume: string; readonly raw: boolean } & StreamSecret,
  bar: Progress,
): Promise<ReceiveReport> {
  const { volume } = asked;
  try {
    const { id } = await mount.call("receive open", { ...asked }) as { readonly id: number };
    let done = 0;
    for await (const part of target.host.pipes.input()) {
      for (let at = 0; at < part.length; at += PART_BYTES) {
        const bytes = part.subarray(at, at + PART_BYTES);
        await mount.call("receive write", { id, bytes });
        done += bytes.length;
        bar.show(done, 0, "receive");
      }
    }
    return await mount.call("receive end", { id }) as ReceiveReport;
  } catch (error) {
    const { token } = await mount.call("receive token", { volume }) as { token: string | null };
    if (token !== null) await tellKept(target, volume);
    throw error;
  } finally {
    mount.close();
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
  const verb = { name: "receive token", options: { volume } };
  const { token } = await onMountOr(
    target,
    verb,
    () =>
      withVault(target, "read", async ({ streams }) => ({
        token: await streams.resumeToken(volume),
      })),
  );
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
  return await onMountOr(
    target,
    { name: "receive abandon", options: { volume } },
    () =>
      withVault(target, "write", async (vault) => {
        await vault.streams.abandon(volume);
        await vault.volumes.free();
        return { volume };
      }),
  );
}
