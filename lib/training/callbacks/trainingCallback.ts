/**
 * A callback for every kind of loop: TensorFlow.js's `fit` and `fitDataset`, those of `withLoss`, and loops by hand, which call
 * it themselves. `onBatchEnd` takes the number of the batch and its logs, as `step(batch)` gives them.
 */
export interface TrainingCallback {
  onTrainBegin(): Promise<void>;
  onBatchEnd(batch: number, logs?: Readonly<Record<string, number>>): Promise<void>;
  onEpochEnd(epoch: number, logs?: Readonly<Record<string, number>>): Promise<void>;
  onTrainEnd(): Promise<void>;
}
