import { pageOf } from "../storage/object_page.ts";
import { comparePaths } from "../storage/object_path.ts";
import type { ListedObject, ListOptions, ListPage } from "../storage/object_store.ts";

/** A page of what is not at home; null stands for what is gone. */
export async function pageOfStrays(
  strays: ReadonlyMap<string, ListedObject | null>,
  options: ListOptions,
): Promise<ListPage> {
  const paths = [...strays].filter(([, object]) => object !== null).map(([path]) => path);
  const page = await pageOf(paths.sort(comparePaths), options, "");
  return { ...page, objects: page.objects.map((path) => strays.get(path)!) };
}
