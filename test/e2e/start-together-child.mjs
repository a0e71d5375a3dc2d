/*
 * One of several processes that start at the same moment on a store that is empty: opens, waits
 * for the word, writes, says what it found.
 */
import { once } from "node:events";
import { Brainy } from "../../dist/index.js";

const { storage, number } = JSON.parse(process.argv[2]);
const brain = new Brainy({
  storage,
  distributed: { role: "writer", instanceId: `w-${number}` },
});
await brain.init();
process.send({ ready: true });
await once(process, "message");
await brain.add([1, number], {}, { id: `record-${number}` });
const { settings } = await brain.getDistributedConfig();
process.send({ databaseId: settings.databaseId, dimensions: settings.dimensions });
await once(process, "message");
await brain.close();
process.disconnect();
