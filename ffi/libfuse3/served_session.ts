/** Which descriptors to serve: numbers, so that they can be posted to a worker. */
export interface ServedSession {
  /** The session's own duplicate of the FUSE device, non-blocking. */
  readonly descriptor: number;
  /** An eventfd that other threads write to when this one shall look at its messages; -1 without. */
  readonly wakeDescriptor: number;
}
