/** Prints as JSON what `useBackend` says of the backend that is named. */
import process from "node:process";
import { useBackend } from "lossmith/runtime";

const result = await useBackend(process.argv[2], { report: true }).catch((error) => ({ error: String(error) }));
console.log(`results ${JSON.stringify(result)}`);
