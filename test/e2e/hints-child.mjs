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

/** The event says that it is durable; it is here a moment later. */
async function say({ from, slot }) {
  const id = `x${slot}`;
  for (let i = 0; i < 500 && !(await brain.has(id)); i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const has = await brain.has(id);
  if (process.connected) process.send({ from, slot, has });
}

brain.on("log", ({ payload }) => void say(payload));
process.on("message", async (message) => {
  if (message === "close") {
    await brain.close();
    process.disconnect();
    return;
  }
  await brain.add([1, 2], {}, { id: message.add });
  process.send({ added: message.add });
});
await brain.init();
while (!brain.getMetrics().hints.connected) await new Promise((resolve) => setTimeout(resolve, 5));
process.send({ ready: true });
