import { decodeExtent, emptyExtent } from "../../core/format/extent.ts";
import { decodeInode, emptyInode } from "../../core/format/inode.ts";
import { DIRENT_NAME_AT, direntIno, direntType } from "../../core/format/dirent.ts";
import { KEY_TYPE, keyBlock, keyIno } from "../../core/format/volume_key.ts";
import { XATTR_NAME_AT, xattrName } from "../../core/format/xattr.ts";
import type { VolumeStore } from "../../core/volume/volume_store.ts";

/**
 * Everything in a volume's tree, in an order and in words that do not depend on the vault: names in place of their hashes, the
 * content of each block in place of its id. `address` leads to memory for a block.
 */
export function describeVolume(
  { tree, blocks, blockBytes, kernel }: VolumeStore,
  address: number,
): string {
  const lines: string[] = [];
  const inode = emptyInode();
  const chunks = new Map<string, string>();
  const runs: { ino: number; first: number; firstId: number; count: number }[] = [];
  tree.scan(new Uint8Array(0), (key, value) => {
    const ino = keyIno(key);
    if (key[0] === KEY_TYPE.entry) {
      const name = value.subarray(DIRENT_NAME_AT).toHex();
      lines.push(`entry ${ino}/${name} ${direntIno(value)} ${direntType(value)}`);
    } else if (key[0] === KEY_TYPE.attribute) {
      // The chunks of an attribute follow each other.
      const place = key.subarray(0, 14).toHex();
      if (key[14] === 0) {
        const name = xattrName(value);
        const part = value.subarray(XATTR_NAME_AT + name.length).toHex();
        chunks.set(place, `attribute ${ino} ${name.toHex()} ${part}`);
      } else chunks.set(place, chunks.get(place)! + value.toHex());
    } else if (key[0] === KEY_TYPE.extent) {
      const extent = emptyExtent();
      decodeExtent(value, extent);
      const first = keyBlock(key);
      if (!extent.unwritten) runs.push({ ino, first, ...extent });
      else {
        for (let i = 0; i < extent.count; i++) lines.push(`reserved ${ino} ${first + i}`);
      }
    } else if (key[0] === KEY_TYPE.inode) {
      // What its blocks take depends on how they are stored.
      decodeInode(value, inode);
      lines.push(`inode ${ino} ${JSON.stringify({ ...inode, cells: 0 })}`);
    } else lines.push(`record ${key.toHex()} ${value.toHex()}`);
    return true;
  });
  for (const { ino, first, firstId, count } of runs) {
    for (let i = 0; i < count; i++) {
      blocks.get(firstId + i, 1, address);
      const content = kernel.bytes.slice(address, address + blockBytes);
      lines.push(`block ${ino} ${first + i} ${shortened(content)}`);
    }
  }
  return [...lines, ...chunks.values()].sort().join("\n");
}

/** A few numbers that differ where blocks do: workloads fill them with runs of bytes. */
function shortened(content: Uint8Array): string {
  let hash = 0;
  for (let i = 0; i < content.length; i++) hash = Math.imul(hash, 31) + content[i] | 0;
  return String(hash);
}
