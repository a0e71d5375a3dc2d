import { eventBusConformance } from "../../test/support/event-bus-conformance.ts";
import { LocalEventBus } from "./local-event-bus.ts";

eventBusConformance("local", async () => {
  const bus = new LocalEventBus();
  return { a: bus, b: bus };
});
