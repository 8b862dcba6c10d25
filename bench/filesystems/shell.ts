/** Runs a program to its end; throws with what it said when it fails. */
export async function run(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const output = await new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const [out, err] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!output.success) throw new Error(`${program} ${args.join(" ")}: ${err || out}`);
  return out;
}

/** Seconds that a program takes. */
export async function seconds(program: string, args: readonly string[]): Promise<number> {
  const start = performance.now();
  await run(program, args);
  return (performance.now() - start) / 1000;
}

/** Drops the kernel's caches, where this process may; reads then come from the store. */
export async function dropCaches(): Promise<void> {
  if (Deno.uid() === 0) await Deno.writeTextFile("/proc/sys/vm/drop_caches", "3");
}

/** Bytes that a file or a tree takes where it lies. */
export async function bytesOnDisk(path: string): Promise<number> {
  return Number((await run("du", ["-s", "-B1", path])).split("\t")[0]);
}
