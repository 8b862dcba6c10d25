import { PosixError } from "../../../core/fs/file_system.ts";
import { ERRNO } from "../../libc/errno.ts";
import { NO_REPLY, type Operation } from "../exchange.ts";
import { negotiate } from "../init.ts";
import { INTERRUPT_IN } from "../protocol.ts";

export const init: Operation = (exchange) => {
  const { request, reply, settings } = exchange;
  const { length, agreement } = negotiate(request, reply, settings);
  exchange.agreement = agreement;
  return length;
};

export const statfs: Operation = ({ fileSystem, reply }) => reply.status(fileSystem.statfs());

export const fsync: Operation = ({ fileSystem, request }) => fileSystem.fsync(request.nodeId) ?? 0;

export const syncfs: Operation = ({ fileSystem }) => fileSystem.syncAll();

export const interrupt: Operation = ({ request, pending }) => {
  pending.interrupt(request.u64(INTERRUPT_IN.unique));
  return NO_REPLY;
};

/** Node ids are inode numbers, and files in use are pinned by OPEN: there is nothing to forget. */
export const forget: Operation = () => NO_REPLY;

/** Answers well without doing anything: the kernel checks permissions itself, and needs no farewell. */
export const agree: Operation = () => 0;

const unknownCall = new PosixError(ERRNO.ENOSYS, "Cannot answer: not implemented");
const notATerminal = new PosixError(ERRNO.ENOTTY, "Cannot control: no such ioctl");

/** The kernel asks once, then does without: its own locks, an always-ready poll, GETATTR in place of STATX, no FLUSH. */
export const decline: Operation = () => {
  throw unknownCall;
};

export const ioctl: Operation = () => {
  throw notATerminal;
};
