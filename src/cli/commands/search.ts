import type { Command } from "commander";
import { invalid } from "../../base/errors.ts";
import type { Filter } from "../../engine/filter-types.ts";
import type { Hit, Query, RecordPart } from "../../types.ts";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import {
  finiteNumber,
  parseFilter,
  parseInclude,
  parseVector,
  wholeNumber,
} from "../option-values.ts";
import { globalsOf, type GlobalOptions, type Shell } from "../shell.ts";
import { placeOf, plainRecord, oneLine, snippetOf } from "../show-record.ts";
import { addReadOptions, type ReadFlags } from "./read-options.ts";

const SNIPPET_CHARACTERS = 200;

interface SearchFlags extends ReadFlags {
  readonly limit: number;
  readonly filter?: Filter;
  readonly minScore?: number;
  readonly vector?: readonly number[];
  readonly like?: string;
  readonly include?: readonly RecordPart[];
}

/** `brainy search`. */
export function searchCommand(program: Command, shell: Shell): void {
  const command = program
    .command("search")
    .summary("find the records nearest to a text, a vector or a record")
    .description(
      "Finds the records nearest to a text, to a vector (--vector) or to another record (--like), " +
        "best first. With a filter, as many come back as asked for whenever that many match.",
    )
    .argument("[query]", "the text to search for")
    .option("-k, --limit <n>", "number of hits", wholeNumber("-k", 10_000), 10)
    .option("--filter <json>", `only records that match: '{"type":"passage"}'`, parseFilter)
    .option("--min-score <score>", "leave out hits below it", finiteNumber("--min-score"))
    .option("--vector <json>", "search for this vector: '[0.1,0.2]'", parseVector)
    .option("--like <id>", "search for neighbours of this record")
    .option("--include <parts>", "parts of each hit: metadata,data,text,vector", parseInclude);
  addReadOptions(command)
    .addHelpText(
      "after",
      examples(
        'brainy search "how does a writer take a lane?"',
        `brainy search "cordless drill" -k 3 --filter '{"price":{"$lt":100}}'`,
        "brainy search --like README.md#1-12 --json",
        "brainy search --vector '[0.1,0.7,0.2]' --include metadata",
      ),
    )
    .action((query: string | undefined, flags: SearchFlags, self: Command) =>
      runSearch(shell, globalsOf(self), chooseQuery(query, flags), flags),
    );
}

function chooseQuery(text: string | undefined, { vector, like }: SearchFlags): Query {
  const given: Query[] = [text, vector, like === undefined ? undefined : { id: like }].filter(
    (each) => each !== undefined,
  );
  const [query, another] = given;
  if (query === undefined) throw invalid("search: give a text, --vector or --like");
  if (another !== undefined) throw invalid("search: give one of a text, --vector and --like");
  return query;
}

async function runSearch(
  shell: Shell,
  globals: GlobalOptions,
  query: Query,
  flags: SearchFlags,
): Promise<void> {
  const { limit, filter, minScore, include, consistency, checkpoint } = flags;
  const { signal, output } = shell;
  const hits = await withDatabase(shell, globals, { access: "read", checkpoint }, (brain) =>
    brain.search(query, { k: limit, filter, minScore, include, consistency, signal }),
  );
  if (globals.json === true) return output.json(hits.map(plainRecord));
  if (hits.length === 0) shell.say(globals, "Nothing found.");
  for (const hit of hits) await showHit(shell, hit);
}

async function showHit({ output }: Shell, hit: Hit): Promise<void> {
  const score = hit.score.toFixed(3);
  const place = placeOf(hit);
  const heading = hit.metadata["heading"];
  await output.line(
    [score, place ?? hit.id, place !== undefined && typeof heading === "string" ? heading : ""]
      .filter((part) => part !== "")
      .map(oneLine)
      .join("  "),
  );
  const indent = " ".repeat(score.length + 2);
  if (place !== undefined) await output.line(`${indent}id ${oneLine(hit.id)}`);
  await output.line(`${indent}${snippetOf(hit, SNIPPET_CHARACTERS)}`);
  await output.line("");
}
