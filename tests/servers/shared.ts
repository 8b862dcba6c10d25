/**
 * Real servers, each started once: by the test command for all files, or else by the file that asks first. What it cannot
 * start it names with a reason, and tests are skipped with that.
 */
import type { StartedServer } from "./started.ts";

/** A kind of server. */
export interface ServerKind {
  readonly name: string;
  /** Where its address stands when the test command has started it. */
  readonly variable: string;
  /** Why it cannot be started here. */
  whyNot(): string | undefined;
  start(): Promise<StartedServer>;
}

/** A server that runs, or why it does not. */
export type SharedServer = { readonly url: string } | { readonly missing: string };

/** The server's address. Call it where tests are registered: who starts it ends it after the last test of the file. */
export async function sharedServer(kind: ServerKind): Promise<SharedServer> {
  const url = Deno.env.get(kind.variable);
  if (url !== undefined) return { url };
  const missing = kind.whyNot();
  if (missing !== undefined) return { missing };
  const server = await kind.start();
  Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());
  return server;
}

/** Starts all that can be; resolves with the variables that tell tests of them. One that fails is left to the tests. */
export async function startServers(
  kinds: readonly ServerKind[],
  say: (line: string) => void,
): Promise<AsyncDisposable & { readonly variables: Record<string, string> }> {
  await using begun = new AsyncDisposableStack();
  const variables: Record<string, string> = {};
  await Promise.all(
    kinds.filter((kind) => kind.whyNot() === undefined).map(async (kind) => {
      try {
        variables[kind.variable] = begun.use(await kind.start()).url;
      } catch (error) {
        say(`Cannot start ${kind.name}: ${error}`);
      }
    }),
  );
  const owned = begun.move();
  return { variables, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
