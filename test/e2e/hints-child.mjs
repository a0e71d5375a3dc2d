/*
 * One instance of a fleet that hears of what others write over a relay, and looks by itself once
 * an hour. Adds what it is told to, and says what it sees.
 */
import { Brainy } from "../../dist/index.js";

const [storage, url, token, role, instanceId] = process.argv.slice(2);
const brain = new Brainy({
  storage,
  pollInterval: 3_600_000,
  distributed: { role, instanceId, coordinationMethod: "websocket", coordinator: { url, token } },
});

async function until(id) {
  while (!(await brain.has(id))) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The event says that it is durable; it is here a moment later, unless all ends before that. */
async function say({ from, slot }) {
  try {
    await until(`x${slot}`);
  } catch (error) {
    if (isClosing && error.code === "BRAINY_CLOSED") return;
    throw error;
  }
  if (process.connected) process.send({ from, slot, has: true });
}

let isClosing = false;
brain.on("log", ({ payload }) => void say(payload));
async function onMessage(message) {
  if (message === "close") {
    isClosing = true;
    await brain.close();
    process.disconnect();
    return;
  }
  if (message.wait !== undefined) {
    await until(message.wait);
    process.send({ has: true });
    return;
  }
  await brain.add([1, 2], {}, { id: message.add });
  process.send({ added: message.add });
}

process.on("message", (message) => void onMessage(message));
await brain.init();
while (!brain.getMetrics().hints.connected) await new Promise((resolve) => setTimeout(resolve, 5));
process.send({ ready: true });
