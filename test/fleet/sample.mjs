/*
 * What one process takes of its machine at one moment.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";

const delay = monitorEventLoopDelay({ resolution: 20 });
delay.enable();

/**
 * Bytes, numbers of files, and milliseconds since the sample before. Where node was started with
 * `--expose-gc` garbage is collected first, so that what is counted is what is held.
 */
export function takeSample(cacheFolder) {
  globalThis.gc?.();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const sample = {
    rss,
    heapUsed,
    external,
    arrayBuffers,
    descriptors: readdirSync("/proc/self/fd").length,
    handles: process.getActiveResourcesInfo().length,
    cpuMs: (user + system) / 1_000,
    delayMs: delay.percentile(99) / 1e6,
    delayMsMax: delay.max / 1e6,
    ...(cacheFolder !== undefined && filesBelow(cacheFolder)),
  };
  delay.reset();
  return sample;
}

/** Files may go while they are counted. */
function filesBelow(folder) {
  let [cacheFiles, cacheBytes] = [0, 0];
  const open = [folder];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    for (const entry of entriesOf(path)) {
      const below = join(path, entry.name);
      if (entry.isDirectory()) open.push(below);
      else {
        cacheFiles++;
        cacheBytes += statSync(below, { throwIfNoEntry: false })?.size ?? 0;
      }
    }
  }
  return { cacheFiles, cacheBytes };
}

function entriesOf(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
