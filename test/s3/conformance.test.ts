import { test } from "vitest";
import { randomHex, systemRandom } from "../../src/base/random.ts";
import { S3Store } from "../../src/storage/adapters/s3.ts";
import { objectStoreConformance } from "../../src/storage/conformance.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * The contract of stores, on a real server. Each case gets a prefix of its own in one bucket.
 */

const server = await s3Server();
const options = server === undefined ? undefined : await newBucket(server);

if (options === undefined) {
  test.skip("the contract of stores on a real S3 server: none can run here");
} else {
  const wide = { readConcurrency: 64, writeConcurrency: 64 };
  const open = (): Promise<S3Store> =>
    S3Store.open({ ...options, prefix: `case-${randomHex(systemRandom, 8)}`, s3: wide });
  objectStoreConformance({
    test,
    open,
    skip: server?.gaps,
    objectCount: 1_001,
    reopen: (store) =>
      S3Store.open({ ...options, prefix: store.name.slice(`s3://${options.bucket}/`.length) }),
  });
}
