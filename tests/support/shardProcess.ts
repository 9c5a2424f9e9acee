/** One of two processes that share a batch: prints what the other needs as one line of JSON. */
import * as tf from "@tensorflow/tfjs";
import { compile, useBackend } from "lossmith";
import { accumulationLoss, shardOf } from "./shards.ts";

const { shard, denominators } = JSON.parse(process.argv[2]) as { shard: number; denominators: number[] | null };
await useBackend("cpu");
const loss = compile(accumulationLoss);
const batch = shardOf(shard);
const given = denominators === null ? {} : { denominators };
const { value, grad } = tf.valueAndGrad((z: tf.Tensor) => loss({ ...batch, ...given, logits: z }))(
  tf.tensor2d(batch.logits),
);
console.log(
  JSON.stringify({
    denominators: [...(await loss.denominators(batch).data())],
    value: (await value.data())[0],
    gradient: [...(await grad.data())],
  }),
);
