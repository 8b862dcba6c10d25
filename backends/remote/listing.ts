import { type ObjectCall, objectError } from "../../core/storage/object_body.ts";
import { isObjectPath } from "../../core/storage/object_path.ts";
import type { ListOptions, ListPage } from "../../core/storage/object_store.ts";

/**
 * A page of a listing as far as it can be believed, whatever answered: `unavailable` where sizes or dates are none, or where the
 * next page would be this one again. Names outside of what was asked for are left out, and those that no call could name: marks
 * of folders, which some programs make.
 */
export function checkedPage(
  { objects, prefixes, cursor }: ListPage,
  asked: ListOptions,
  call: ObjectCall,
): ListPage {
  const refusal = (why: string) => objectError("unavailable", call, `its listing ${why}`);
  if (cursor !== null && cursor === asked.cursor) throw refusal("does not go on");
  const { prefix = "" } = asked;
  const wanted = objects.filter(({ path }) => isObjectPath(path) && path.startsWith(prefix));
  for (const { size, lastModified } of wanted) {
    if (!Number.isSafeInteger(size) || size < 0) throw refusal(`has an object of ${size} bytes`);
    const isDate = lastModified instanceof Date && !Number.isNaN(lastModified.getTime());
    if (!isDate) throw refusal("does not say how old an object is");
  }
  return {
    objects: wanted,
    prefixes: prefixes.filter((path) => path.startsWith(prefix)),
    cursor,
  };
}
