import type { ReceiveOptions } from "../../core/vault/stream_receive.ts";
import type { StreamSecret } from "../../core/vault/stream_send.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { cutAfter } from "./cut_stream.ts";
import type { RandomStream } from "./random_stream.ts";

/** A stream, and the volume that it becomes. */
export interface CutReceive {
  readonly send: (resume?: string) => ReadableStream<Uint8Array>;
  readonly to: Vault;
  readonly volume: string;
  readonly options: ReceiveOptions & StreamSecret;
  /** Where it breaks off, at most. */
  readonly cutBytesMax: number;
}

/** Receives a stream that breaks off up to three times, and goes on where it was. */
export async function receiveThroughCuts(
  { send, to, volume, options, cutBytesMax }: CutReceive,
  stream: RandomStream,
): Promise<void> {
  let resume: string | undefined;
  for (let attempt = 0;; attempt++) {
    const isCut = attempt < 3 && stream.chance(0.5);
    const bytes = isCut ? cutAfter(send(resume), stream.below(cutBytesMax)) : send(resume);
    try {
      return void await to.streams.receive(volume, bytes, options);
    } catch (error) {
      if (!isCut) throw error;
      resume = await to.streams.resumeToken(volume) ?? undefined;
    }
  }
}
