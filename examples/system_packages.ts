/**
 * Programs that the quickstart and the tests use beside Deno: finds out which are missing, and installs them with apt
 * where that needs no question.
 *
 * @module
 */

/** A program or library of the system. */
export interface SystemPackage {
  /** Debian's and Ubuntu's name. */
  readonly name: string;
  isThere(): boolean;
}

const PROGRAM_DIRECTORIES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

/** A package that is there when a program of it is. */
export function withProgram(name: string, program: string): SystemPackage {
  return {
    name,
    isThere: () => PROGRAM_DIRECTORIES.some((directory) => exists(`${directory}/${program}`)),
  };
}

/** libfuse3 and `fusermount3`: the package of the program depends on the library, whatever its number. */
export const FUSE: SystemPackage = {
  name: "fuse3",
  isThere: () => withProgram("fuse3", "fusermount3").isThere() && loadable("libfuse3.so"),
};

/** Installs what is missing, or says the one line that does. Resolves with what is still missing. */
export async function provide(
  packages: readonly SystemPackage[],
  say: (line: string) => void,
): Promise<string[]> {
  const missing = () => packages.filter((it) => !it.isThere()).map((it) => it.name);
  const wanted = missing();
  if (wanted.length === 0 || Deno.build.os !== "linux") return wanted;
  const line = `apt-get install -y --no-install-recommends ${wanted.join(" ")}`;
  if (!isDebian()) {
    say(`Not installed: ${wanted.join(", ")} (the names of the packages in Debian)`);
    return wanted;
  }
  if (Deno.uid() !== 0) {
    say(`Not installed; for more, run: sudo ${line}`);
    return wanted;
  }
  say(`$ ${line}`);
  const installed = await apt(line.split(" ").slice(1)) ||
    // The lists of packages are old, or were never fetched.
    (await apt(["update"]) && await apt(line.split(" ").slice(1)));
  if (!installed) say(`This did not work; what needs it is left out`);
  return missing();
}

async function apt(args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command("apt-get", {
    args: ["-qq", "-o", "Dpkg::Use-Pty=0", ...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

function isDebian(): boolean {
  if (!exists("/usr/bin/apt-get")) return false;
  const release = Deno.readTextFileSync("/etc/os-release");
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

function loadable(soname: string): boolean {
  for (const number of [4, 3]) {
    try {
      Deno.dlopen(`${soname}.${number}`, {}).close();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
    }
  }
  return false;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
