/** Which runtime this is: what has to be installed, and which flag set, differs. */
export type Host = "Bun" | "Deno" | "Node" | "browser";

export function hostOf(globals: object = globalThis): Host {
  if ("Bun" in globals) return "Bun";
  if ("Deno" in globals) return "Deno";
  const { process } = globals as { readonly process?: { readonly versions?: { readonly node?: string } } };
  return process?.versions?.node === undefined ? "browser" : "Node";
}
