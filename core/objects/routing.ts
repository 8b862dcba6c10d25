import { pathMatcher } from "./path_pattern.ts";

/** Which provider a path belongs to. */
export interface RoutingRules {
  /** Providers by the first part of a path: `images` of `images/2026/cat.jpg`. They go first. */
  readonly firstParts: Readonly<Record<string, string>>;
  /** Providers by pattern, in this order. */
  readonly patterns: readonly PatternRule[];
  /** The provider of everything else. */
  readonly fallback: string;
}

/** A rule by pattern. */
export interface PatternRule {
  /**
   * Globs between `|`: `*.jpg|*.png`. One without a `/` is compared with the last part of a path, any other with all of
   * it; `**` stands for any number of parts.
   */
  readonly match: string;
  /** Name of a provider. */
  readonly provider: string;
}

/** Where a path belongs, and why. */
export interface Route {
  /** Its name. */
  readonly provider: string;
  /** For people: the rule that decided. */
  readonly rule: string;
}

/** Decides by rules which provider a path belongs to: the first that matches. */
export class Routing {
  readonly #rules: RoutingRules;
  readonly #patterns: readonly { readonly route: Route; matches(path: string): boolean }[];

  /** Compiles the patterns. */
  constructor(rules: RoutingRules) {
    this.#rules = rules;
    this.#patterns = rules.patterns.map(({ match, provider }) => {
      return { route: { provider, rule: `pattern "${match}"` }, matches: pathMatcher(match) };
    });
  }

  /** The route of a path. */
  routeOf(path: string): Route {
    const { firstParts, fallback } = this.#rules;
    const end = path.indexOf("/");
    const part = end < 0 ? null : path.slice(0, end);
    if (part !== null && Object.hasOwn(firstParts, part)) {
      return { provider: firstParts[part], rule: `first part "${part}"` };
    }
    return this.#patterns.find(({ matches }) => matches(path))?.route ??
      { provider: fallback, rule: "default" };
  }

  /** Names of the providers at which paths with this prefix may lie. */
  providersBelow(prefix: string): readonly string[] {
    const { firstParts, patterns, fallback } = this.#rules;
    const end = prefix.indexOf("/");
    if (end >= 0 && Object.hasOwn(firstParts, prefix.slice(0, end))) {
      return [firstParts[prefix.slice(0, end)]];
    }
    const reached = Object.entries(firstParts)
      .filter(([part]) => end < 0 && `${part}/`.startsWith(prefix)).map(([, provider]) => provider);
    return [...new Set([...reached, ...patterns.map(({ provider }) => provider), fallback])];
  }
}
