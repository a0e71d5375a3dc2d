// Opening 200,000 compacted records in fresh processes, files in the page cache.
import { loadavg } from "node:os";
import { buildFolder } from "./support/build-folder.mjs";
import { inFolder, inFreshProcess, median, quantile, report, round } from "./support/report.mjs";

const COUNT = Number(process.env.BRAINY_BENCH_COUNT ?? 200_000);
const PROCESSES = 9;
const loadBefore = loadavg();

await inFolder(async (folder) => {
  await buildFolder(folder, COUNT);
  inFreshProcess("support/reopen-child.mjs", folder);
  const runs = Array.from({ length: PROCESSES }, () =>
    inFreshProcess("support/reopen-child.mjs", folder),
  );
  const of = (name) => {
    const values = runs.map((run) => run[name]);
    return { median: round(median(values)), max: round(quantile(values, 1)) };
  };
  report(
    "reopen",
    {
      records: COUNT,
      processes: PROCESSES,
      importMs: of("importMs"),
      newToFirstSearchMs: of("firstSearchMs"),
      importToFirstSearchMs: of("withImportMs"),
      newToCountMs: of("countMs"),
      secondSearchMs: of("secondSearchMs"),
      rssPerRecordBytes: of("rssPerRecordBytes"),
    },
    loadBefore,
  );
});
