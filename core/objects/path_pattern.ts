import picomatch from "picomatch";

/** What a glob gives a meaning to; everything before the first of these stands for itself. */
const LITERAL = /^[^*?[\]{}()!+@\\]*/;

/**
 * Compiles globs between `|`: `*.jpg|*.png`. One without a `/` is compared with the last part of a path, any other with all of
 * it; `**` stands for any number of parts.
 */
export function pathMatcher(pattern: string): (path: string) => boolean {
  const matchers = pattern.split("|").map((glob) => {
    const isMatch = picomatch(glob.trim(), { dot: true });
    const whole = glob.includes("/");
    return (path: string) => isMatch(whole ? path : path.slice(path.lastIndexOf("/") + 1));
  });
  return (path) => matchers.some((matches) => matches(path));
}

/** What every path that matches begins with, so that nothing else need be listed. */
export function patternPrefix(pattern: string): string {
  const prefixes = pattern.split("|").map((glob) => {
    // A leading "./" is dropped by the matcher.
    const isPlain = glob.includes("/") && !glob.trim().startsWith(".");
    return isPlain ? LITERAL.exec(glob.trim())![0] : "";
  });
  let shared = prefixes[0];
  for (const prefix of prefixes) while (!prefix.startsWith(shared)) shared = shared.slice(0, -1);
  // Half a character is no prefix of anything in UTF-8.
  return shared.isWellFormed() ? shared : shared.slice(0, -1);
}
