import type { BytesPart } from "../bytes.ts";
import { mappedParts, type SegmentMap } from "../storage/mapped_medium.ts";
import { type Extent, EXTENTS_MAX, type Lane, type LaneJob } from "./lane.ts";
import { assert } from "../assert.ts";

/** A lane for a mapped medium: jobs name its places, the lane below those of the medium below. */
export class MappedLane implements Lane {
  readonly isBackground: boolean;
  private readonly lane: Lane;
  private readonly map: SegmentMap;

  constructor(lane: Lane, map: SegmentMap) {
    this.lane = lane;
    this.map = map;
    this.isBackground = lane.isBackground;
  }

  submit(job: LaneJob): number {
    return this.lane.submit(this.mapped(job));
  }

  settled(ticket: number): boolean {
    return this.lane.settled(ticket);
  }

  settle(ticket?: number): void {
    this.lane.settle(ticket);
  }

  outcome(ticket: number): number {
    return this.lane.outcome(ticket);
  }

  read(job: LaneJob): number {
    return this.lane.read(this.mapped(job));
  }

  readPart(job: LaneJob, part: BytesPart): number | null {
    return this.lane.readPart(this.mapped(job), part);
  }

  private mapped(job: LaneJob): LaneJob {
    const extents = job.extents.flatMap((extent) => [...this.cut(extent)]);
    // No block crosses the end of a segment, so there are never more parts than blocks.
    assert(extents.length <= EXTENTS_MAX, "a job has its limit of extents");
    return { ...job, extents };
  }

  private *cut({ address, length, offset }: Extent): Generator<Extent> {
    for (const part of mappedParts(this.map, offset, length)) {
      yield { address: address + part.from, length: part.to - part.from, offset: part.offset };
    }
  }
}
