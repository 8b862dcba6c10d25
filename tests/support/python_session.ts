/** A loop that runs each line of its input, and answers with a line: what it printed, or the name of the errno. */
const LOOP = `
import sys, os, errno, json, mmap, io, contextlib
names = dict(globals())
for line in sys.stdin:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(json.loads(line), names)
        answer = out.getvalue().strip()
    except OSError as e:
        answer = errno.errorcode.get(e.errno, str(e))
    print(json.dumps(answer), flush=True)
`;

/** A Python program that does what it is told, step by step: it keeps files open and mapped between the steps. */
export class PythonSession implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;

  constructor(directory: string) {
    this.#child = new Deno.Command("python3", {
      args: ["-c", LOOP],
      cwd: directory,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Runs statements; what they print, or the name of the errno that they fail with. */
  async run(statements: string): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(statements)}\n`));
    let text = "";
    while (!text.endsWith("\n")) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error("python has ended");
      text += value;
    }
    return JSON.parse(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#child.status;
    await this.#output.cancel();
  }
}
