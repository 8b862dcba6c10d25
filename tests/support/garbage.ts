import v8 from "node:v8";
import vm from "node:vm";

/** Collects all that nobody holds any more, once what is under way has had its turn. */
export async function collectGarbage(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  v8.setFlagsFromString("--expose-gc");
  vm.runInNewContext("gc()");
}
