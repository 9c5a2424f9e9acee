/** A worker that posts what `useBackend` says of webgl. */
import { useBackend } from "lossmith/runtime";

postMessage(await useBackend("webgl").catch((error) => String(error.message)));
