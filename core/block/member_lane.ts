import type { BytesPart } from "../bytes.ts";
import type { Kernel } from "../crypto/kernel.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";
import { InlineLane, type Lane, type LaneJob } from "./lane.ts";

/**
 * The lane of a vault that has one medium or several. Crypto workers know one descriptor; what lies on several media is
 * sealed and written inline. Before a member joins, every job has settled.
 */
export class MemberLane implements Lane {
  private readonly media: JoinedMedia;
  private readonly inline: InlineLane;
  /** Over the only medium of a vault, whose offsets are those of member 0. */
  private readonly given: Lane | undefined;
  /** Of a write. What it should have stored is not there, whoever asks next. */
  private failure: unknown;

  constructor(kernel: Kernel, media: JoinedMedia, given: Lane | undefined) {
    this.media = media;
    this.inline = new InlineLane(kernel, media);
    this.given = given;
  }

  private get lane(): Lane {
    return this.given !== undefined && this.media.isPlain ? this.given : this.inline;
  }

  get isBackground(): boolean {
    return this.lane.isBackground;
  }

  submit(job: LaneJob): number {
    return this.lane.submit(job);
  }

  settled(ticket: number): boolean {
    return this.lane.settled(ticket);
  }

  /** What failed once is told to everybody from then on: a lane forgets it, and the next to ask may have other blocks in it. */
  settle(ticket?: number): void {
    if (this.failure !== undefined) throw this.failure;
    try {
      this.lane.settle(ticket);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** Only a background lane reads later, so that the ticket is of the one that was given. */
  outcome(ticket: number): number {
    return (this.given ?? this.inline).outcome(ticket);
  }

  read(job: LaneJob): number {
    return this.lane.read(job);
  }

  readPart(job: LaneJob, part: BytesPart): number | null {
    return this.lane.readPart(job, part);
  }
}
