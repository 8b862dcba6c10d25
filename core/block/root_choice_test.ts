import assert from "node:assert/strict";
import type { RootRecord } from "../format/root_record.ts";
import type { Superblock } from "../format/superblock.ts";
import { isContradicted, rankRoots, type Ring, ringOf, standing } from "./root_choice.ts";

/** A superblock of a root that is told from others of its rank by a letter. */
function named(memberEpoch: number, sequence: number, letter = "a", member = 0): Superblock {
  const root = new TextEncoder().encode(letter);
  return { memberEpoch, sequence, root, rootBytes: 1, member, secretsKey: new Uint8Array(32) };
}

function ring(member: number, ...superblocks: Superblock[]): Ring {
  return { member, superblocks: superblocks.map((each) => ({ ...each, member })) };
}

function recordOf(members: readonly [number, boolean][]): RootRecord {
  const sizes = { segments: 4, segmentsMax: 4 };
  return {
    members: members.map(([number, stale]) => ({ number, stale, ...sizes })),
  } as unknown as RootRecord;
}

Deno.test("root choice: the newest is of the newest set of members, whatever the sequence", () => {
  // Member 0 was given two roots that no other member got; the others went on without it.
  const rings = [ring(0, named(1, 8), named(1, 9), named(1, 7)), ring(1, named(1, 7), named(2, 8))];
  const ranks = rankRoots(rings);
  const order = ranks.map(([{ memberEpoch, sequence }]) => [memberEpoch, sequence]);
  assert.deepEqual(order, [[2, 8], [1, 9], [1, 8], [1, 7]]);
  assert.deepEqual(standing(rings, ranks[0][0], ranks[1][0]).holders, [1]); // its record says that 0 is stale
});

Deno.test("root choice: one root back is a crash, more than that was away", () => {
  const rings = [
    ring(0, named(1, 5), named(1, 6), named(1, 7)),
    ring(1, named(1, 5), named(1, 6)),
    ring(2, named(1, 5)),
    ring(3),
  ];
  const ranks = rankRoots(rings);
  assert.deepEqual(standing(rings, ranks[0][0], ranks[1][0]), { holders: [0], behind: [2, 3] });
  assert.deepEqual(standing([ring(0, named(1, 1)), ring(1)], named(1, 1), undefined), {
    holders: [0],
    behind: [1],
  });
});

Deno.test("root choice: of two roots of one rank, one that a member it counts on never got does not stand", () => {
  const [ours, theirs] = [named(2, 8, "ours"), named(2, 8, "theirs")];
  const rings = [ring(0, ours), ring(1, theirs)];
  assert.equal(rankRoots(rings)[0].length, 2);
  const withBoth = recordOf([[0, false], [1, false], [2, true]]);
  const withoutZero = recordOf([[0, true], [1, false], [2, false]]);
  assert.equal(isContradicted(ours, withBoth, rings), true);
  assert.equal(isContradicted(theirs, withoutZero, rings), false);
});

Deno.test("root choice: a medium is what its newest superblock says, and not what it was before", () => {
  assert.equal(ringOf([]), null);
  const before = named(1, 9, "a", 1);
  const now = named(3, 4, "b", 2);
  assert.deepEqual(ringOf([before, now]), { member: 2, superblocks: [now] });
});
