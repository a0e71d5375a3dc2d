import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom, systemRandom } from "../../src/base/random.ts";
import { createOnce } from "../../src/engine/create-once.ts";
import { S3Store } from "../../src/storage/adapters/s3.ts";
import { retrying } from "../../src/storage/layers/retrying.ts";
import { cuttingProxy, type CuttingProxy } from "../support/cutting-proxy.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * A real server behind a connection that breaks after the server has done what it was asked:
 * exactly the moment at which a client knows least.
 */

const server = await s3Server();
const options = server === undefined ? undefined : await newBucket(server);

const MIB = 1 << 20;
const ABSENT = { condition: { ifAbsent: true } } as const;
const ports = { clock: systemClock, random: seededRandom(1) };
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** A test with a store behind a proxy; `s3Server` has said loudly why there is none. */
function cutTest(name: string, run: (store: S3Store, proxy: CuttingProxy) => Promise<void>): void {
  // The reason was printed by `s3Server`.
  const add = options === undefined ? test.skip : test;
  add(name, async () => {
    if (options === undefined) return;
    await using proxy = await cuttingProxy(options.endpoint!);
    const prefix = `cut-${systemRandom.next().toString(36).slice(2)}`;
    const s3 = { multipartThreshold: 5 * MIB };
    await using store = await S3Store.open({ ...options, endpoint: proxy.endpoint, prefix, s3 });
    await run(store, proxy);
    expect(proxy.cuts()).toBeGreaterThan(0);
  });
}

cutTest(
  "[X1] a creation whose answer is lost is unknown, and a look shows that it won",
  async (store, proxy) => {
    proxy.cut();
    const put = store.put("k", bytes(1), ABSENT);
    await expect(put).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
    expect(store.counters.put.requests).toBe(1);
    expect((await store.get("k"))?.bytes).toEqual(bytes(1));
    await expect(store.put("k", bytes(1), ABSENT)).rejects.toMatchObject({
      code: "BRAINY_CONFLICT",
    });
  },
);

cutTest(
  "[X1] a replacement whose answer is lost is unknown, and a look shows that it won",
  async (store, proxy) => {
    const { etag } = await store.put("k", bytes(1));
    // Learns how etags are written, so that the cut meets the put that counts.
    const second = await store.put("k", bytes(2), { condition: { ifMatch: etag } });
    proxy.cut();
    const put = store.put("k", bytes(3), { condition: { ifMatch: second.etag } });
    await expect(put).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
    expect((await store.get("k"))?.bytes).toEqual(bytes(3));
  },
);

cutTest(
  "who creates once over lost answers is told that it won, and not directly",
  async (store, proxy) => {
    proxy.cut({ count: 2 });
    const request = { store, ...ports, key: "slot", bytes: bytes(1, 2, 3) };
    const outcome = await createOnce(request);
    expect(outcome).toMatchObject({ kind: "won", direct: false });
    const other = await createOnce({ ...request, bytes: bytes(4) });
    expect(other).toEqual({ kind: "lost", found: bytes(1, 2, 3), isUnanswered: false });
  },
);

cutTest(
  "a body that is cut in its middle is read again, never taken for shorter",
  async (store, proxy) => {
    const large = new Uint8Array(3 * MIB).fill(7);
    await store.put("large", large);
    proxy.cut({ afterBytes: 2 * MIB });
    await expect(store.get("large")).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
    proxy.cut({ afterBytes: MIB });
    const found = await retrying(store, ports).get("large");
    expect(found?.bytes.byteLength).toBe(large.byteLength);
    expect(found?.bytes.every((byte) => byte === 7)).toBe(true);
  },
);

cutTest(
  "reads, lists, deletes and plain puts are repeated until they are answered",
  async (store, proxy) => {
    const retried = retrying(store, ports);
    for (const call of [
      () => retried.put("k", bytes(1)),
      () => retried.get("k"),
      () => retried.head("k"),
      async () => {
        for await (const { objects } of retried.list()) expect(objects.length).toBe(1);
      },
      () => retried.deleteMany(["k"]),
    ]) {
      proxy.cut({ count: 2 });
      await call();
    }
    expect(proxy.cuts()).toBe(10);
  },
);

cutTest(
  "[X6] an upload survives answers that are lost, the one to its end among them",
  async (store, proxy) => {
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      // The answers to the beginning and to one part.
      proxy.cut({ count: 2 });
      yield new Uint8Array(5 * MIB).fill(1);
      yield new Uint8Array(5 * MIB).fill(2);
      yield bytes(3);
    };
    await store.putStream("parts", chunks());
    expect(await store.head("parts")).toMatchObject({ bytesTotal: 10 * MIB + 1 });

    let isCut = false;
    const last = async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(5 * MIB).fill(1);
      yield bytes(3);
      isCut = true;
      // The last part and the end are sent after this; one answer of each is lost.
      proxy.cut({ count: 3 });
    };
    await store.putStream("end", last());
    expect(isCut).toBe(true);
    expect((await store.get("end", { suffix: 2 }))?.bytes).toEqual(bytes(1, 3));
  },
);
