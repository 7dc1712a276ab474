import assert from "node:assert/strict";
import { searchEverywhere } from "../fixture/markers.mjs";
import { name } from "../fixture/people.mjs";
import * as server from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";
import { overlooked } from "../fixture/visitor.mjs";

story("no secret is anywhere: database, log, pages, processes", async () => {
  const { data, log } = server;
  const { found, searched } = searchEverywhere({ data, log });
  for (const file of ["hostler.db", "hostler.db-wal"]) {
    assert.ok(searched.files.some((f) => f.endsWith(`/${file}`)), `${file} was searched`);
  }
  assert.ok(searched.sources > 100 && searched.commands > 100, `there was something to search: ${JSON.stringify(searched)}`);
  // What is no secret is found, so the search works.
  const control = searchEverywhere({ data, log, needles: [name, "--advertise"] }).found.join("\n");
  assert.match(control, /ada in .*hostler\.db/);
  assert.match(control, /ada in http/);
  assert.match(control, /--advertise in the arguments/);
  assert.deepEqual(found, []);
});

story("every page that was opened was also looked at", async () => {
  assert.deepEqual(overlooked(), []);
});
