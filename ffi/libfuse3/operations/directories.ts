import type { Exchange, Operation } from "../exchange.ts";
import { READ_IN } from "../protocol.ts";
import { NO_TIMEOUTS } from "../reply.ts";
import { malformed } from "../request.ts";

function list({ fileSystem, request, directory }: Exchange, plus: boolean): number {
  const cookie = request.u64(READ_IN.offset);
  // Cookies stay below 2^53: whatever comes after a larger one is the end.
  if (Number.isNaN(cookie)) return 0;
  directory.begin(request.u32(READ_IN.size), plus);
  fileSystem.readdir(request.nodeId, cookie, directory.visit);
  if (directory.length < 0) throw malformed;
  return directory.length;
}

export const readdir: Operation = (exchange) => list(exchange, false);

export const readdirplus: Operation = (exchange) => {
  const length = list(exchange, true);
  const { directory, fileSystem, attributes, settings, request } = exchange;
  const changes = fileSystem.entriesChange?.(request.nodeId) === true;
  const timeouts = changes ? NO_TIMEOUTS : settings.timeouts;
  if (length > 0) directory.addAttributes(fileSystem, attributes, timeouts);
  return length;
};
