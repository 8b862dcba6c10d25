/**
 * Puts a file of mode 0600 in place of the one before: complete and durable under a temporary name first, so that a crash
 * never leaves half of it.
 */
export async function replaceFile(
  directory: string,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.new`;
  try {
    {
      using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.sync();
    }
    await Deno.rename(temporary, path);
    // The rename is durable only when the directory is.
    using folder = await Deno.open(directory, { read: true });
    await folder.sync();
  } catch (error) {
    await removeLeftover(temporary);
    throw error;
  }
}

async function removeLeftover(temporary: string): Promise<void> {
  try {
    await Deno.remove(temporary);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
