import { VaultError } from "../../core/errors.ts";

/** Seconds that a provider may take to answer, unless a configuration says so. */
export const TIME_LIMIT_SECONDS = 60;

/** A URL of a server, which messages may quote: so it has neither credentials nor a query. */
export function checkEndpoint(endpoint: string, provider: string): void {
  const url = URL.parse(endpoint);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search === "" &&
    url.username === "" && url.password === "" && url.hash === "";
  if (isPlain) return;
  throw new VaultError("invalid", "Cannot use endpoint: want https://HOST or http://HOST:PORT", {
    provider,
  });
}
