/** Sizes of the format. Units are in the names; FORMAT.md explains each. */

/** The unit of allocation. */
export const CELL_BYTES = 4096;
/** Cells in a slot, the unit of scatter (64 KiB). */
export const SLOT_CELLS = 16;
/** Slots in a segment. */
export const SEGMENT_SLOTS = 64;
/** Cells in a segment. */
export const SEGMENT_CELLS = SLOT_CELLS * SEGMENT_SLOTS;
/** Bytes in a slot (64 KiB). */
export const SLOT_BYTES = CELL_BYTES * SLOT_CELLS;
/** Bytes in a segment (4 MiB). */
export const SEGMENT_BYTES = SLOT_BYTES * SEGMENT_SLOTS;

/** Members (media) of a vault at most. */
export const MEMBERS_MAX = 64;
/** Cells of a member at most (64 TiB). Inside the engine, cell c of member n has the number n × 2^34 + c. */
export const MEMBER_CELLS: number = 2 ** 34;
/** Bytes of a member at most: its first byte has the number n × 2^46 in an offset through all members. */
export const MEMBER_BYTES: number = MEMBER_CELLS * CELL_BYTES;
/** Segments of a member at most. */
export const MEMBER_SEGMENTS_MAX: number = 2 ** 24;

/** Key slots of a header. */
export const KEY_SLOTS = 16;
/** Superblock ring cells of a header. */
export const RING_CELLS = 16;
/** Bytes of an XChaCha20 nonce. */
export const NONCE_BYTES = 24;
/** Bytes of a Poly1305 tag. */
export const TAG_BYTES = 16;
/** Bytes of every symmetric key. */
export const KEY_BYTES = 32;

export const KIB = 1024;
export const MIB = 1024 * 1024;
export const GIB = 1024 * 1024 * 1024;

/** Kernel memory that volumes and snapshots may take beside a vault's first volume: about eight, with blocks of 16 KiB. */
export const VIEW_BYTES_MAX = 40 * MIB;

/** The longest that a timer waits, in milliseconds: a longer one would be over at once. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
