/*
 * One instance of a fleet on a folder. Role and name come from the environment, as they do where
 * fleets are deployed. Says "ready" when it is open, and closes when it is told to.
 */
import { Brainy } from "../../dist/index.js";

const brain = new Brainy({
  storage: process.argv[2],
  distributed: { heartbeatInterval: 1_000, instanceTimeout: 1_000 },
});
async function onMessage() {
  await brain.close();
  process.disconnect();
}

process.once("message", () => void onMessage());
await brain.init();
if (brain.getHealthStatus().role !== "reader") await brain.add([1, 2], {}, { id: "a" });
process.send({ ready: true });
