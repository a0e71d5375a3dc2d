import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A connection in between that loses answers when it is told to. */
export interface CuttingProxy extends AsyncDisposable {
  readonly endpoint: string;
  /** Answers lost so far: a test that lost none has tested nothing. */
  readonly cuts: () => number;
  /**
   * Cuts the next answers, `count` of them, after this many of their bytes: the store has done
   * what it was asked, and nobody is told.
   */
  cut(options?: { readonly count?: number; readonly afterBytes?: number }): void;
}

export async function cuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let [left, afterBytes, cuts] = [0, 0, 0];
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let passed = 0;
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (chunk) => {
      passed = 0;
      upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (left > 0 && passed + chunk.byteLength > afterBytes) {
        left--;
        cuts++;
        const rest = chunk.subarray(0, Math.max(0, afterBytes - passed));
        client.end(rest, () => client.destroy());
        return;
      }
      passed += chunk.byteLength;
      client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: () => cuts,
    cut({ count = 1, afterBytes: bytes = 0 } = {}) {
      [left, afterBytes] = [count, bytes];
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
