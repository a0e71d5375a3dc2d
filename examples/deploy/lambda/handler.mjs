/*
 * A reader on AWS Lambda, beside writers that run elsewhere. DATABASE is s3://bucket/prefix. The
 * instance outlives the call: the next one in the same environment finds it open.
 *
 * Rights: docs/guide/policies/reader.json. Between calls the environment is frozen and its
 * heartbeat with it, so it leaves that out and looks at the store only when it is asked.
 */
import { Brainy } from "brainy";

const brain = new Brainy({ storage: process.env.DATABASE, readOnly: true, pollInterval: 0 });

export async function handler(event) {
  const { q, k = "10" } = event.queryStringParameters ?? {};
  if (!q) return answer(400, { message: "say what to search for: ?q=…" });
  try {
    const options = { consistency: "bounded", maxStalenessMs: 5_000 };
    return answer(200, await brain.search(q, Number(k), options));
  } catch (error) {
    const isCall = error.action === "fix-call";
    if (!isCall) console.error(error);
    return answer(isCall ? 400 : 503, { code: error.code, message: error.message });
  }
}

function answer(statusCode, body) {
  return {
    statusCode,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}
