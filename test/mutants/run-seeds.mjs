// Runs seeds of a compiled simulation until one fails, and prints as one line of JSON what did:
//
//     node run-seeds.mjs <folder of buildSimulation> '{"seeds":[1,20],"entry":"fleet","world":{}}'
//
// A process of its own, so that its parent can end it when a mutant never comes to an end.
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { checkerOf } from "./checker.mjs";

const [folder, text] = process.argv.slice(2);
const { seeds, entry, world } = JSON.parse(text);
const load = (name) =>
  import(pathToFileURL(join(resolve(folder), "test", "simulation", `${name}.js`)).href);
const { simulate: simulateOne, SimulationError } = await load("simulation");
const simulate = entry === "fleet" ? (await load("fleet-simulation")).simulateFleet : simulateOne;

const [first, last] = seeds;
let outcome = { kind: "survived" };
for (let seed = first; seed <= last; seed++) {
  try {
    await simulate({ seed, ...world });
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    const cause = error.cause;
    const checker = checkerOf(cause);
    const what = cause instanceof Error ? cause.message : String(cause);
    outcome = { kind: checker === undefined ? "broken" : "caught", seed, checker, what };
    break;
  }
}
process.stdout.write(`${JSON.stringify(outcome)}\n`);
// Whatever a mutant still waits for.
process.exit(0);
