import { PosixError } from "../../../core/fs/file_system.ts";
import { ERRNO } from "../../libc/errno.ts";
import { NO_REPLY, type Operation } from "../exchange.ts";
import { negotiate } from "../init.ts";
import { BATCH_FORGET_IN, FORGET_ONE_BYTES, INTERRUPT_IN } from "../protocol.ts";

export const init: Operation = (exchange) => {
  const { request, reply, settings } = exchange;
  const { length, agreement } = negotiate(request, reply, settings);
  exchange.agreement = agreement;
  return length;
};

export const statfs: Operation = ({ fileSystem, request, reply }) =>
  reply.status(fileSystem.statfs(request.nodeId));

export const fsync: Operation = ({ fileSystem, request }) => fileSystem.fsync(request.nodeId) ?? 0;

export const syncfs: Operation = ({ fileSystem }) => fileSystem.syncAll();

export const interrupt: Operation = ({ request, pending }) => {
  pending.interrupt(request.u64(INTERRUPT_IN.unique));
  return NO_REPLY;
};

/** Node ids are inode numbers, and files in use are pinned by OPEN: only what was removed was waiting for this. */
export const forget: Operation = ({ fileSystem, request }) => {
  fileSystem.forget?.(request.nodeId);
  return NO_REPLY;
};

export const batchForget: Operation = ({ fileSystem, request }) => {
  const count = request.u32(BATCH_FORGET_IN.count);
  for (let i = 0; i < count; i++) {
    fileSystem.forget?.(request.node(BATCH_FORGET_IN.bytes + i * FORGET_ONE_BYTES));
  }
  return NO_REPLY;
};

export const ignore: Operation = () => NO_REPLY;

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
