import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { randomHex, systemRandom } from "../../src/base/random.ts";
import type { S3StoreOptions } from "../../src/storage/adapters/s3-options.ts";
import { REPOSITORY_ROOT } from "../repository.ts";

/** Keys of one user. */
export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A real server that tests may use. */
export interface S3Server extends S3Keys {
  readonly endpoint: string;
  /** Known gaps in the suite of stores, each with its reason. */
  readonly gaps: Readonly<Record<string, string>>;
  /** A user that owns nothing, where there is one. Bucket policies may grant it something. */
  readonly other?: (S3Keys & { readonly user: string }) | undefined;
}

/** Cases of the suite of stores that Ceph's gateway answers otherwise. */
const CEPH_GAPS = {
  "of eight replacements of one version exactly one wins":
    "a lost if-match race may be answered by 500, which is unknown; test/s3 looks instead",
  "eight loops of compare and swap lose no increment":
    "a lost if-match race may be answered by 500, which is unknown; test/s3 looks instead",
};

const SCRIPT = join(REPOSITORY_ROOT, "scripts/s3-server.sh");

/** Unpacking the packages takes 20 s the first time, on a slow network longer. */
const START_TIMEOUT_MS = 300_000;

/**
 * The server of this run of the tests: the one in `BRAINY_TEST_S3_ENDPOINT`, with
 * `BRAINY_TEST_S3_ACCESS_KEY_ID` and `BRAINY_TEST_S3_SECRET_ACCESS_KEY`, or one that is started
 * once for all workers and ends with the process that started them. Where none can run it says so
 * and gives `undefined`, unless `BRAINY_REQUIRE_S3=1` makes that an error.
 */
export async function s3Server(): Promise<S3Server | undefined> {
  const endpoint = process.env["BRAINY_TEST_S3_ENDPOINT"];
  if (endpoint !== undefined && endpoint !== "") {
    return {
      endpoint,
      accessKeyId: process.env["BRAINY_TEST_S3_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: process.env["BRAINY_TEST_S3_SECRET_ACCESS_KEY"] ?? "",
      gaps: {},
    };
  }
  try {
    return await startS3Server();
  } catch (error) {
    const { stderr = "", message } = error as {
      readonly stderr?: string;
      readonly message: string;
    };
    const why = stderr.trim() === "" ? message : stderr.trim();
    if (process.env["BRAINY_REQUIRE_S3"] === "1") throw error;
    process.stderr.write(`\n!!! NO S3 SERVER, its tests are SKIPPED: ${why}\n\n`);
    return undefined;
  }
}

async function startS3Server(): Promise<S3Server> {
  const owner = String(process.ppid);
  const dir = join(tmpdir(), `brainy-s3-${owner}`);
  const run = promisify(execFile);
  const { stdout } = await run(SCRIPT, ["start", "--dir", dir, "--owner", owner], {
    timeout: START_TIMEOUT_MS,
  });
  return { ...(JSON.parse(stdout) as Omit<S3Server, "gaps">), gaps: CEPH_GAPS };
}

/** A client of the SDK for what tests do beside a store: buckets, policies. */
export function s3Client({ endpoint, accessKeyId, secretAccessKey }: S3Server): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
}

/** A bucket that did not exist before, and what opens a store in it. */
export async function newBucket(server: S3Server): Promise<S3StoreOptions> {
  const bucket = `brainy-test-${randomHex(systemRandom, 8)}`;
  const client = s3Client(server);
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  const { endpoint, accessKeyId, secretAccessKey } = server;
  return { bucket, endpoint, accessKeyId, secretAccessKey, maxRetries: 3 };
}
