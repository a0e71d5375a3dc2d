/*
 * A writer of a fleet that is told to end while it writes. Notes each acknowledged id in a file,
 * at once, and says "writing" when the first ones are there.
 */
import { appendFileSync } from "node:fs";
import { Brainy, shutdownOnSignals } from "../../dist/index.js";

const { storage, acknowledged, mode } = JSON.parse(process.argv[2]);
const brain = new Brainy({
  storage,
  distributed: { role: "writer", instanceId: "ends" },
});
await brain.init();
if (mode === "stuck") {
  shutdownOnSignals({ close: () => new Promise(() => {}) }, { timeoutMs: 50 });
} else if (mode === "other") {
  process.on("SIGTERM", () => setTimeout(() => process.exit(7), 50));
}
if (mode !== "stuck") shutdownOnSignals(brain);

async function write(lane) {
  for (let i = 0; ; i++) {
    const id = `${lane}-${i}`;
    try {
      await brain.add([lane + 1, i], {}, { id });
    } catch (error) {
      if (error.code === "BRAINY_CLOSED") return;
      throw error;
    }
    appendFileSync(acknowledged, `${id}\n`);
    if (i === 5 && lane === 0) process.send("writing");
  }
}

await Promise.all(Array.from({ length: 8 }, (_, lane) => write(lane)));
