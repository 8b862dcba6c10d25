import { run } from "./shell.ts";

/** A filesystem that takes part. */
export interface Contender {
  readonly name: string;
  /** The program it needs, and Debian's package of it. */
  readonly program?: string;
  readonly package?: string;
  /** Only with `--all`. */
  readonly extra?: boolean;
  /** Makes an empty store in a directory; undefined where nothing is to be made. */
  create?(directory: string): Promise<void>;
  /** The program that serves the mount in the foreground; undefined without one. */
  serve?(directory: string, mountpoint: string): Served;
  /** One that makes the store and serves it; where there is none, it takes two. */
  createAndServe?(directory: string, mountpoint: string): Promise<Served>;
}

/** How a mount is started. */
export interface Served {
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  /** Says on stderr what nobody needs. */
  readonly chatty?: boolean;
}

const PASSPHRASE = "correct horse battery staple";

async function passphraseFile(directory: string): Promise<string> {
  const path = `${directory}/passphrase`;
  await Deno.writeTextFile(path, PASSPHRASE + "\n", { mode: 0o600 });
  return path;
}

/** `program` is the command as `deno task install` installs it. */
function sigmavault(program: string, lane: "wasm" | "native"): Contender {
  return {
    name: `sigmavault ${lane}`,
    async create(directory) {
      const secret = await passphraseFile(directory);
      await run(program, ["create", `${directory}/store`, "--passphrase-file", secret]);
    },
    serve: (directory, mountpoint) => ({
      program,
      args: [
        ...["mount", `${directory}/store`, mountpoint, "--crypto-lane", lane],
        ...["--passphrase-file", `${directory}/passphrase`, "--kdf", "interactive"],
      ],
    }),
    async createAndServe(directory, mountpoint) {
      const secret = ["--passphrase-file", await passphraseFile(directory)];
      const mount = ["--mount", mountpoint, "--crypto-lane", lane];
      return { program, args: ["create", `${directory}/store`, ...mount, ...secret] };
    },
  };
}

const gocryptfs: Contender = {
  name: "gocryptfs",
  program: "gocryptfs",
  package: "gocryptfs",
  async create(directory) {
    const secret = await passphraseFile(directory);
    await Deno.mkdir(`${directory}/store`);
    await run("gocryptfs", ["-q", "-init", "-passfile", secret, `${directory}/store`]);
  },
  serve: (directory, mountpoint) => ({
    program: "gocryptfs",
    args: ["-q", "-fg", "-passfile", `${directory}/passphrase`, `${directory}/store`, mountpoint],
  }),
};

const securefs: Contender = {
  name: "securefs",
  program: "securefs",
  package: "securefs",
  async create(directory) {
    await run("securefs", ["create", "--pass", PASSPHRASE, `${directory}/store`]);
  },
  serve: (directory, mountpoint) => ({
    program: "securefs",
    chatty: true,
    args: ["mount", "--pass", PASSPHRASE, "--log", "/dev/null", `${directory}/store`, mountpoint],
  }),
};

const encfs: Contender = {
  name: "encfs",
  program: "encfs",
  package: "encfs",
  extra: true,
  create: (directory) => Deno.mkdir(`${directory}/store`),
  serve: (directory, mountpoint) => ({
    program: "encfs",
    args: ["-f", "--standard", "--stdinpass", `${directory}/store`, mountpoint],
    stdin: PASSPHRASE + "\n",
  }),
};

const cryfs: Contender = {
  name: "cryfs",
  program: "cryfs",
  package: "cryfs",
  extra: true,
  create: (directory) => Deno.mkdir(`${directory}/store`),
  serve: (directory, mountpoint) => ({
    program: "cryfs",
    chatty: true,
    args: ["-f", "--create-missing-basedir", `${directory}/store`, mountpoint],
    stdin: PASSPHRASE + "\n",
    env: { CRYFS_FRONTEND: "noninteractive", CRYFS_NO_UPDATE_CHECK: "true" },
  }),
};

const rclone: Contender = {
  name: "rclone",
  program: "rclone",
  package: "rclone",
  extra: true,
  async create(directory) {
    await Deno.mkdir(`${directory}/store`);
    const hidden = (await run("rclone", ["obscure", PASSPHRASE])).trim();
    const config = `[x]\ntype = crypt\nremote = ${directory}/store\npassword = ${hidden}\n`;
    await Deno.writeTextFile(`${directory}/rclone.conf`, config);
  },
  serve: (directory, mountpoint) => ({
    program: "rclone",
    args: [
      ...["mount", "x:", mountpoint, "--config", `${directory}/rclone.conf`],
      ...[
        "--vfs-cache-mode",
        "writes",
        "--vfs-write-back",
        "0s",
        "--cache-dir",
        `${directory}/cache`,
      ],
    ],
  }),
};

const PEERS: readonly Contender[] = [
  gocryptfs,
  securefs,
  encfs,
  cryfs,
  rclone,
  { name: "no encryption" },
];

/** Who takes part, the product first; `program` is its installed command. */
export function contendersWith(program: string): readonly Contender[] {
  return [sigmavault(program, "wasm"), sigmavault(program, "native"), ...PEERS];
}
