import { VaultError } from "../../core/errors.ts";
import type { Invalidate } from "../../core/objects/invalidations.ts";
import type { PurgeSettings } from "../../core/objects/settings.ts";

/** Tells a CDN by its API what it shall forget: `{"files": [URL, …]}`, as Cloudflare and others take it. */
export function purgeBy({ url, token }: PurgeSettings): Invalidate {
  return async (urls, { signal }) => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...token !== undefined && { authorization: `Bearer ${token}` },
      },
      body: JSON.stringify({ files: urls }),
      // The token is for nobody else.
      redirect: "error",
      signal,
    });
    await response.body?.cancel();
    if (response.ok) return;
    const { host } = new URL(url);
    const why = `${host} answered ${response.status}`;
    throw new VaultError("unavailable", `Cannot tell the CDN: ${why}`, { operation: "invalidate" });
  };
}
