/** What is measured, in the order of the table. */
export const ROWS = {
  write: { text: "sequential write, 512 MiB", unit: "MB/s", more: true },
  read: { text: "sequential read, 512 MiB", unit: "MB/s", more: true },
  untar: { text: "untar 2,000 files", unit: "s", more: false },
  find: { text: "find over them, cold", unit: "s", more: false },
  cat: { text: "read them all", unit: "s", more: false },
  "random read": { text: "4k random read", unit: "/s", more: true },
  "random write": { text: "4k random write, fsync every 32", unit: "/s", more: true },
  rm: { text: "remove them", unit: "s", more: false },
  ready: { text: "create, mount, first answer", unit: "s", more: false },
  // A peer without such a command is measured with its two.
  "ready at once": { text: "create --mount, first answer", unit: "s", more: false },
  "idle memory": { text: "memory of an idle mount", unit: "MiB", more: false },
  "idle cpu": { text: "processor, idle", unit: "%", more: false },
  "memory after work": { text: "memory after random writes", unit: "MiB", more: false },
  space: { text: "space of the files, ext4 = 1", unit: "×", more: false },
  "space added": { text: "the same without an empty store's", unit: "×", more: false },
} as const;

export type RowName = keyof typeof ROWS;

/** Rows of the library in this process. */
export const OWN_ROWS = {
  lookup: { text: "lookup in a directory of 1,000", unit: "µs" },
  visible: { text: "small change, visible", unit: "µs" },
  durable: { text: "small transaction, durable", unit: "µs" },
} as const;

export type OwnRowName = keyof typeof OWN_ROWS;

/** A goal against a peer: so many times its figure, at least where more is better, else at most. */
export interface PeerGoal {
  readonly row: RowName;
  readonly contender: string;
  readonly peer: string;
  readonly factor: number;
}

const [WASM, NATIVE] = ["sigmavault wasm", "sigmavault native"];
const [GOCRYPTFS, SECUREFS] = ["gocryptfs", "securefs"];

export const PEER_GOALS: readonly PeerGoal[] = [
  { row: "write", contender: WASM, peer: GOCRYPTFS, factor: 1.5 },
  { row: "write", contender: WASM, peer: SECUREFS, factor: 1.5 },
  { row: "write", contender: NATIVE, peer: GOCRYPTFS, factor: 2 },
  { row: "write", contender: NATIVE, peer: SECUREFS, factor: 2 },
  { row: "read", contender: WASM, peer: GOCRYPTFS, factor: 1 },
  { row: "read", contender: NATIVE, peer: GOCRYPTFS, factor: 1.5 },
  { row: "untar", contender: WASM, peer: GOCRYPTFS, factor: 0.6 },
  { row: "find", contender: WASM, peer: GOCRYPTFS, factor: 1 },
  { row: "cat", contender: WASM, peer: GOCRYPTFS, factor: 0.6 },
  { row: "random read", contender: WASM, peer: SECUREFS, factor: 1 },
  { row: "random write", contender: WASM, peer: SECUREFS, factor: 1 },
  { row: "rm", contender: WASM, peer: GOCRYPTFS, factor: 0.6 },
];

/** A goal that stands alone: at most so much. */
export const LIMITS: readonly { readonly row: RowName | OwnRowName; readonly max: number }[] = [
  { row: "ready at once", max: 0.6 },
  { row: "idle memory", max: 150 },
  { row: "idle cpu", max: 0.5 },
  { row: "space", max: 1.15 },
  { row: "lookup", max: 20 },
  { row: "visible", max: 60 },
  { row: "durable", max: 1000 },
];

/** The middle one. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
