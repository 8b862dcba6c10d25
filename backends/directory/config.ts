import type { FileStorageOptions } from "../file/config.ts";

/** How to open a directory of files as a medium: as a file, but for the system calls. What is made has mode 0700. */
export type DirectoryStorageOptions = Omit<FileStorageOptions, "io">;
