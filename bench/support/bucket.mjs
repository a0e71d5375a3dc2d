/*
 * The gateway of the tests as a server to measure against, for as long as this process lives, and
 * buckets in it.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../../scripts/s3-server.sh", import.meta.url));

/** A bucket that did not exist before, as `storage` of `new Brainy`. */
export async function newBucket(folder) {
  const how = ["start", "--dir", join(folder, "s3"), "--owner", String(process.pid)];
  const server = JSON.parse(execFileSync(SCRIPT, how, { encoding: "utf8" }));
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const { S3Client, CreateBucketCommand } = await import("@aws-sdk/client-s3");
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
  const bucket = `bench-${randomUUID()}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return { type: "customS3", endpoint, accessKeyId, secretAccessKey, bucket };
}

/** Ends the server of `newBucket`. */
export function stopServer(folder) {
  execFileSync(SCRIPT, ["stop", "--dir", join(folder, "s3")], { stdio: "ignore" });
}
