import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { Brainy } from "../../src/index.ts";
import { S3Store } from "../../src/storage/adapters/s3.ts";
import { probeStore } from "../../src/storage/probe.ts";

const require = createRequire(import.meta.url);
/** The package has no types. */
const S3rver = require("s3rver") as new (options: object) => {
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
};

test("[X8] s3rver, which accepts conditions and ignores them, is refused for writing", async () => {
  const directory = mkdtempSync(join(tmpdir(), "brainy-s3rver-"));
  const server = new S3rver({
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: "bucket", configs: [] }],
  });
  try {
    const { port } = await server.run();
    await using store = await S3Store.open({
      bucket: "bucket",
      endpoint: `http://127.0.0.1:${port}`,
      accessKeyId: "S3RVER",
      secretAccessKey: "S3RVER",
    });
    // It is a store, and a fine one for reading.
    await store.put("k", Uint8Array.of(1));
    expect((await store.get("k"))?.bytes).toEqual(Uint8Array.of(1));
    const probe = probeStore(store, { clock: systemClock, random: systemRandom });
    await expect(probe).rejects.toMatchObject({ code: "BRAINY_UNSUPPORTED" });
    await expect(probe).rejects.toThrow(/creators of one key won: it ignores "if absent"/);
    const endpoint = `http://127.0.0.1:${port}`;
    const keys = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
    const storage = { type: "customS3", bucket: "bucket", endpoint, ...keys } as const;
    await using brain = new Brainy({ storage });
    await expect(brain.add([1, 2])).rejects.toMatchObject({ code: "BRAINY_UNSUPPORTED" });
    expect(await brain.count()).toBe(0);
  } finally {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
