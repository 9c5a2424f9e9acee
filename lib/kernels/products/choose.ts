/** Which products run on the current backend: those made for it where their self-test passed, else ordinary ops. */
import * as tf from "@tensorflow/tfjs";
import { cpuProducts } from "../cpu/products.ts";
import { wasmProducts } from "../wasm/products.ts";
import { webgpuProducts } from "../webgpu/products.ts";
import { type Products, portableProducts } from "./products.ts";
import { faultOf, faultOfNow } from "./selfTest.ts";

interface Made {
  readonly products: Products;
  /** Whether the host reads the device's tensors without waiting, so that the self-test can be run at first use. */
  readonly testsItself: boolean;
}

const made: Readonly<Record<string, Made>> = {
  cpu: { products: cpuProducts, testsItself: true },
  wasm: { products: wasmProducts, testsItself: true },
  webgpu: { products: webgpuProducts, testsItself: false },
};

/** What was found of each backend. */
const verdicts = new WeakMap<object, Products>();

export function chooseProducts(): Products {
  const candidate = candidateOf(tf.getBackend());
  if (candidate === undefined) return portableProducts;
  const known = verdicts.get(tf.backend());
  if (known !== undefined) return known;
  if (!candidate.testsItself) return portableProducts;
  return decide(candidate.products, faultOfNow(candidate.products));
}

/** Runs the self-test of the current backend's products; what passes is used from then on. */
export async function testProducts(): Promise<void> {
  const candidate = candidateOf(tf.getBackend());
  if (candidate !== undefined) decide(candidate.products, await faultOf(candidate.products));
}

function candidateOf(name: string): Made | undefined {
  return Object.hasOwn(made, name) ? made[name] : undefined;
}

function decide(products: Products, fault: string | null): Products {
  if (fault !== null) {
    console.warn(
      `lossmith: the products for ${products.name} do not work here (${fault}); slower ordinary ops take their place.`,
    );
  }
  const verdict = fault === null ? products : portableProducts;
  verdicts.set(tf.backend(), verdict);
  return verdict;
}
