/** Prints as JSON what `useBackend` says of the backend that is named, with the options that follow as JSON. */
import process from "node:process";
import { useBackend } from "lossmith/runtime";

const options = JSON.parse(process.argv[3] ?? "{}");
const result = await useBackend(process.argv[2], { ...options, report: true }).catch((error) => ({
  error: String(error),
}));
console.log(`results ${JSON.stringify(result)}`);
