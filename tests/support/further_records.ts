import { lockDecoders } from "./lock_records.ts";
import { scrubDecoder } from "./scrub_record.ts";
import { sessionDecoders } from "./session_records.ts";
import { streamDecoders } from "./stream_decoders.ts";
import { writeOnceDecoders } from "./write_once_records.ts";

/** Decoders that have a file of their own. */
export const furtherDecoders = {
  ...writeOnceDecoders,
  ...scrubDecoder,
  ...sessionDecoders,
  ...streamDecoders,
  ...lockDecoders,
};
