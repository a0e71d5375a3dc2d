import type { CampaignFailure, CampaignReport } from "./campaign.ts";

/** The report as a section of a document: `command` is what was typed, `when` a date. */
export function markdownOf(
  report: CampaignReport,
  { command, when, machine }: { command: string; when: string; machine: string },
): string {
  const { totals, runs, seconds, failures } = report;
  const operations = totals["operations"] ?? 0;
  const all = Object.values(runs).reduce((sum, count) => sum + count, 0);
  const lines = [
    `\`${command}\`, ${when}, ${machine}:`,
    "",
    "| | |",
    "| --- | ---: |",
    ...row("seeds run", all),
    ...Object.entries(runs).flatMap(([mode, count]) => row(`of these \`${mode}\``, count)),
    ...row("simulated operations", operations),
    ...row("acknowledged operations", totals["acknowledged"]),
    ...partsOf(totals, "checkers").flatMap(([name, count]) => row(`judged: ${name}`, count)),
    ...row("records in reads too open to judge", totals["skipped"]),
    ...row("manifests committed", totals["manifests"]),
    ...row("events", totals["events"]),
    ...row("virtual days", Math.round(totals["days"] ?? 0)),
    ...row("wall time, seconds", Math.round(seconds)),
    ...row("processes", report.jobs),
    ...row("operations a second", Math.round(operations / seconds)),
    ...row("most memory of a process, MiB", Math.round(report.rssBytesMax / 2 ** 20)),
    ...row("failures", failures.length),
    "",
  ];
  const faults = partsOf(totals, "faults");
  if (faults.length > 0) {
    lines.push("| fault | injected |", "| --- | ---: |");
    lines.push(...faults.flatMap(([kind, count]) => row(`\`${kind}\``, count)), "");
  }
  return [...lines, ...failures.flatMap(sectionOf)].join("\n");
}

/** The command that runs a failure again, as small as it got. */
export function replayOf(file: string): string {
  return `npm run test:campaign -- --replay ${file}`;
}

function sectionOf({ task, kind, minimised }: CampaignFailure): string[] {
  const least = minimised?.task ?? task;
  const faults = minimised?.faults.map(({ number, kind: fault }) => `${number} ${fault}`) ?? [];
  return [
    `- ${task.mode}, seed ${task.seed}: ${kind}. \`${JSON.stringify(least)}\``,
    ...(minimised === undefined
      ? []
      : [`  ${minimised.faultsBefore} faults, ${faults.length} needed: ${faults.join(", ")}`]),
  ];
}

function partsOf(totals: CampaignReport["totals"], name: string): [string, number][] {
  return Object.entries(totals)
    .filter(([key]) => key.startsWith(`${name}.`))
    .map(([key, count]): [string, number] => [key.slice(name.length + 1), count])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function row(what: string, count: number | undefined): string[] {
  return count === undefined ? [] : [`| ${what} | ${count.toLocaleString("en-US")} |`];
}
