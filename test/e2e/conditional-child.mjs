/*
 * One of several processes that write under conditions to one store. It says "ready", waits for
 * "go", then counts a shared counter up and claims ids, telling each success once it is
 * acknowledged.
 */
import { Brainy, isBrainyError } from "../../dist/index.js";

const [storageText, name, countText] = process.argv.slice(2);
const count = Number(countText);
const brain = new Brainy({ storage: JSON.parse(storageText), dimensions: 2 });

async function countUp() {
  for (let done = 0; done < count;) {
    const { version, metadata } = await brain.get("counter", { consistency: "strong" });
    try {
      const n = metadata.n + 1;
      await brain.update("counter", { metadata: { n } }, { ifVersion: version });
      done++;
      process.send({ counted: n });
    } catch (error) {
      if (!isBrainyError(error, "BRAINY_CONFLICT")) throw error;
    }
  }
}

async function claim() {
  for (let i = 0; i < count; i++) {
    try {
      await brain.add([1, i], { by: name }, { id: `seat-${i}`, ifAbsent: true });
      process.send({ won: i });
    } catch (error) {
      if (!isBrainyError(error, "BRAINY_CONFLICT")) throw error;
    }
  }
}

async function onMessage() {
  await Promise.all([countUp(), claim()]);
  await brain.close();
  process.send({ closed: true }, () => process.disconnect());
}

process.once("message", () => void onMessage());
await brain.init();
process.send({ ready: true });
