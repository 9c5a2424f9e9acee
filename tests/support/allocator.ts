/**
 * The environment in which glibc keeps the memory that a process frees. A software driver frees megabytes after each program
 * that it compiles, and getting them back from the system takes a fifth of the time of a suite.
 */
export const keepsFreedMemory: Readonly<Record<string, string>> = {
  MALLOC_TRIM_THRESHOLD_: `${2 ** 30}`,
  MALLOC_MMAP_THRESHOLD_: `${2 ** 25}`,
  MALLOC_TOP_PAD_: `${2 ** 26}`,
};
