import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { administrator, begin, mark, numberIn, row, stillThere } from "../fixture/people.mjs";
import { api } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";

const [good = "", fine = "", keyless = "", closed = ""] = lab.hosts;
const unknown = "ghost.lab.test";

/** What a failed row says. @type {[string, RegExp, RegExp][]} host, cause, hint */
const failures = [
  [keyless, /refuses the SSH key SHA256:\S+ for the user root/, /authorized_keys/],
  [unknown, /does not resolve/, /Check the spelling/],
  [closed, /refuses connections to port 22/, /Start the SSH server/],
];

story("failures are told apart, and after the mend only they run again", async () => {
  lab.run(keyless, "mv /root/.ssh/authorized_keys /root/.ssh/kept");
  lab.run(closed, "systemctl stop ssh.socket ssh.service 2>/dev/null || systemctl stop ssh.service");
  const visitor = await administrator();
  const { page } = visitor;
  await begin(visitor, "dc1-prod");
  await page.locator("#field-hosts").fill([good, fine, keyless, closed, unknown].join(", "));
  await page.locator("[data-key-file]").setInputFiles(lab.keyFile);
  await page.getByText("5 hosts", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Start bootstrapping" }).click();
  await page.waitForURL(/\/confirm$/);
  await mark(page);

  for (const host of [good, fine]) await row(page, host).and(page.locator('[data-tone="done"]')).waitFor();
  for (const [host, cause, hint] of failures) {
    const failed = row(page, host).and(page.locator('[data-tone="failed"]'));
    await failed.waitFor();
    assert.match((await failed.locator('[data-cell="message"]').textContent()) ?? "", cause);
    assert.match((await failed.locator('[data-cell="hint"]').textContent()) ?? "", hint);
  }
  await page.locator('.progress-panel[data-tone="failed"]').waitFor();
  assert.ok(await stillThere(page), "all of this was live");
  await visitor.look("failed");
  await filter(page);

  const operation = Number(/\/operations\/(\d+)/.exec((await row(page, good).getByRole("link").first().getAttribute("href")) ?? "")?.[1]);
  lab.run(keyless, "mv /root/.ssh/kept /root/.ssh/authorized_keys");
  lab.run(closed, "systemctl start ssh.service");
  await row(page, unknown).getByRole("button", { name: "Remove this host from the run" }).click();
  await page.getByText("Removed from this run.").waitFor();
  await page.getByRole("button", { name: "Retry failed" }).click();
  await page.getByText("Retry started.").waitFor();
  await page.locator('.progress-panel[data-tone="done"]').waitFor();
  for (const host of [good, fine, keyless, closed]) await row(page, host).and(page.locator('[data-tone="done"]')).waitFor();
  await visitor.look("mended");

  const { tasks } = await api(`/operations/${operation}`);
  const attempts = Object.fromEntries(tasks.map((/** @type {any} */ t) => [t.name, t.attempt]));
  assert.deepEqual(attempts, { [good]: 1, [fine]: 1, [keyless]: 2, [closed]: 2, [unknown]: 1 });
  await visitor.visit("/operations");
  await page.getByRole("link", { name: "Bootstrap 5 hosts" }).click();
  await page.waitForURL(`**/operations/${operation}`);
  await visitor.look();
  await page.goto(`/operations/${operation}/tasks/${tasks[0].id}`);
  assert.equal(numberIn(page), operation);
  await visitor.look();
});

/** Uses the chips and the search box above the table. @param {import("playwright-core").Page} page */
async function filter(page) {
  const rows = page.locator("tr[data-row]:visible");
  const chip = (/** @type {string} */ name) => page.locator(".chips").getByRole("button", { name });
  await chip("Failed 3").click();
  assert.equal(await rows.count(), 3);
  await chip("Done 2").click();
  assert.equal(await rows.count(), 2);
  await chip("Running 0").click();
  await page.getByText("No row matches the filter.").waitFor();
  await chip("All 5").click();
  await page.locator("[data-table-search]").fill("ghost");
  assert.deepEqual(await rows.locator('[data-cell="name"]').allTextContents(), [unknown]);
  await page.locator("[data-table-search]").fill("");
  assert.equal(await rows.count(), 5);
}
