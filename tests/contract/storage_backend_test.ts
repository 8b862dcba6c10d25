import { type MediumKind, mediumKinds } from "./media_under_test.ts";
import {
  lockContract,
  resizeContract,
  sparseContract,
  storageContract,
  type StorageProperty,
} from "./storage_backend.ts";

function propertiesOf(kind: MediumKind): Record<string, StorageProperty> {
  return {
    ...storageContract,
    ...kind.has.includes("resize") ? resizeContract : {},
    ...kind.has.includes("sparse") ? sparseContract : {},
    ...kind.has.includes("lock") ? lockContract : {},
  };
}

for (const kind of mediumKinds()) {
  const reason = kind.skipped === undefined ? "" : ` (skipped: ${kind.skipped})`;
  for (const [property, holds] of Object.entries(propertiesOf(kind))) {
    Deno.test({
      name: `${kind.name}: ${property}${reason}`,
      ignore: kind.skipped !== undefined,
      async fn() {
        const under = await kind.open();
        try {
          await holds(under.medium, under);
        } finally {
          await under.dispose();
        }
      },
    });
  }
}
