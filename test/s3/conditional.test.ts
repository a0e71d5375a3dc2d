import { test } from "vitest";
import { countTogether } from "../support/conditional-processes.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

const server = await s3Server();

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)(
  "[L1] [L2] in a bucket, processes that count and claim under conditions never do it twice",
  async () => {
    await countTogether({ type: "customS3", ...(await newBucket(server!)), prefix: "db" }, 6);
  },
  120_000,
);
