// The stories in the order in which they build on each other. One server, one browser, one lab.
import { after, before } from "node:test";
import { letAllGo } from "./fixture/lab.mjs";
import { watchCommands } from "./fixture/markers.mjs";
import { stop } from "./fixture/server.mjs";
import { closeBrowser, openBrowser } from "./fixture/visitor.mjs";

/** @type {() => void} */
let unwatch;
before(async () => {
  unwatch = watchCommands();
  await openBrowser();
});
after(async () => {
  await closeBrowser();
  await stop();
  letAllGo();
  unwatch();
});

await import("./story/set-up.mjs");
await import("./story/wizard.mjs");
await import("./story/faults.mjs");
await import("./story/commands.mjs");
await import("./story/selection.mjs");
await import("./story/swift.mjs");
await import("./story/files.mjs");
await import("./story/children.mjs");
await import("./story/repositories.mjs");
await import("./story/failures.mjs");
await import("./story/connections.mjs");
await import("./story/filters.mjs");
await import("./story/restart.mjs");
await import("./story/manual.mjs");
await import("./story/accounts.mjs");
await import("./story/scriptless.mjs");
await import("./story/variants.mjs");
await import("./story/keyboard.mjs");
await import("./story/secrets.mjs");
