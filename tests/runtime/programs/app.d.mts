import type { BackendName, BackendReport } from "lossmith/runtime";

export function train(name: "auto" | BackendName): Promise<
  BackendReport & {
    readonly kernels: number;
    readonly first: number;
    readonly last: number;
    readonly fused: boolean;
    readonly layers: readonly number[];
  }
>;
