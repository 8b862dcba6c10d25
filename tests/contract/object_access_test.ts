import { openDirectoryObjects } from "../../backends/directory/objects.ts";
import { MemoryObjects } from "../../backends/memory/objects.ts";
import { objectContract, type ObjectsUnderTest } from "./object_access.ts";

for (const [property, holds] of Object.entries(objectContract)) {
  Deno.test(`objects in memory: ${property}`, () => {
    const objects = new MemoryObjects();
    const { content } = objects;
    holds({ objects, openReader: () => new MemoryObjects({ content, readOnly: true }) });
  });

  Deno.test(`objects in a directory: ${property}`, () => {
    const path = Deno.makeTempDirSync();
    const under: ObjectsUnderTest = {
      objects: openDirectoryObjects({ path }),
      openReader: () => openDirectoryObjects({ path, readOnly: true }),
    };
    try {
      holds(under);
    } finally {
      under.objects.close();
      Deno.removeSync(path, { recursive: true });
    }
  });
}
