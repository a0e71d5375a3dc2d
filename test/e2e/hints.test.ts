import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { HintRelay } from "../../src/distributed.ts";
import { Brainy } from "../../src/index.ts";
import { fixedPort } from "../support/fixed-port.ts";

/*
 * Processes on one folder that find out of each other's writes over a relay alone: none of them
 * polls within the life of a test. The children run the built package, as users do.
 */

const SCRIPT = fileURLToPath(new URL("hints-child.mjs", import.meta.url));
const TOKEN = "a-shared-secret";

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "brainy-hints-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(...args: readonly string[]): Promise<ChildProcess> {
  const child = fork(SCRIPT, args);
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "message");
  return child;
}

/** The next message of a child for which `is` holds. */
function next(child: ChildProcess, is: (message: Said) => boolean): Promise<Said> {
  return new Promise((resolve) => {
    const onMessage = (message: Said): void => {
      if (!is(message)) return;
      child.off("message", onMessage);
      resolve(message);
    };
    child.on("message", onMessage);
  });
}

interface Said {
  readonly added?: string;
  readonly from?: string;
  readonly slot?: number;
  readonly has?: boolean;
}

/** Slot n of a lane whose slot 0 is its open record holds record `xn`. */
async function add(child: ChildProcess, slot: number): Promise<void> {
  const added = next(child, (message) => message.added === `x${slot}`);
  child.send({ add: `x${slot}` });
  await added;
}

test("[E6] two processes see each other's writes over a relay, also after it was replaced", async () => {
  const folder = newFolder();
  const port = fixedPort();
  let relay = new HintRelay({ port, token: TOKEN });
  onTestFinished(() => relay.close());
  const url = await relay.start();
  const writer = await start(folder, url, TOKEN, "writer", "w-1");
  await add(writer, 1);
  const reader = await start(folder, url, TOKEN, "reader", "r-1");
  const seen = next(reader, ({ slot }) => slot === 2);
  await add(writer, 2);
  expect(await seen).toEqual({ from: "w-1", slot: 2, has: true });

  await relay.close();
  await add(writer, 3);
  relay = new HintRelay({ port, token: TOKEN });
  await relay.start();
  // Nothing is said any more: who comes back looks for what it may have missed.
  reader.send({ wait: "x3" });
  await next(reader, ({ has }) => has === true);
  const said: Said[] = [];
  reader.on("message", (message: Said) => said.push(message));
  for (let slot = 4; said.length === 0; slot++) await add(writer, slot);
  expect(said[0]).toMatchObject({ from: "w-1", has: true });
  for (const child of [writer, reader]) {
    child.send("close");
    expect(await once(child, "exit")).toEqual([0, null]);
  }
});

test("an instance hosts the relay, another one takes it over, and health says when there is none", async () => {
  const folder = newFolder();
  const port = fixedPort();
  const logged: string[] = [];
  const open = async (instanceId: string, coordinator: object): Promise<Brainy> => {
    const brain = new Brainy({
      storage: folder,
      logging: {
        verbose: true,
        logger: { info: (line) => logged.push(line), warn: (line) => logged.push(line) },
      },
      distributed: {
        role: "hybrid",
        instanceId,
        coordinationMethod: "websocket",
        coordinator: { token: TOKEN, ...coordinator },
      },
    });
    onTestFinished(() => brain.close());
    await brain.init();
    return brain;
  };
  const connected = async (brain: Brainy, isConnected: boolean): Promise<void> => {
    while (brain.getMetrics().hints?.connected !== isConnected) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const client = await open("client", { url: `ws://127.0.0.1:${port}` });
  while (client.getHealthStatus().warnings.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(client.getHealthStatus()).toMatchObject({
    status: "degraded",
    warnings: [expect.stringMatching(/^Hints do not arrive: .*ECONNREFUSED/)],
  });
  const host = await open("host", { listen: { port } });
  const spare = await open("spare", { listen: { port } });
  for (const brain of [client, host, spare]) await connected(brain, true);
  expect(client.getHealthStatus()).toMatchObject({ status: "healthy", warnings: [] });
  await host.close();
  for (const brain of [client, spare]) await connected(brain, false);
  for (const brain of [client, spare]) await connected(brain, true);
  expect(logged.filter((line) => line.includes("hosts the relay"))).toHaveLength(2);
  expect(logged.filter((line) => line.includes("is not reached"))).not.toEqual([]);
  expect(logged.join("\n")).not.toContain(TOKEN);
});
