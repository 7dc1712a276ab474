import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { administrator, begin, mark, passChecks, row, stillThere } from "../fixture/people.mjs";
import { api } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";
import { until } from "../fixture/until.mjs";

const four = lab.hosts.slice(0, 4);

story("a bad list is refused at its lines, and nothing typed is lost", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await visitor.visit("/wizards");
  await page.getByRole("button", { name: "Start" }).click();
  await page.locator("#field-cluster").waitFor();
  await visitor.look();
  await visitor.allowing([/422/], async () => {
    await page.locator("#field-cluster").fill("no blanks allowed");
    await page.getByRole("button", { name: "Next" }).click();
    await page.locator('[data-field-error="cluster"]').getByText("Use letters").waitFor();
    await visitor.look("refused");
  });
  await page.locator("#field-cluster").fill("dc1-prod");
  await page.getByRole("button", { name: "Next" }).click();
  await page.waitForURL(/\/versions$/);
  await chooseVersions(visitor);
  await page.waitForURL(/\/hosts$/);
  await visitor.look("empty");

  const typed = `${four[0]}\nnode[3-1].lab.test\n${four[1]} # fine\nnode[a-c].lab.test`;
  await page.locator("#field-hosts").fill(typed);
  await page.locator("[data-key-file]").setInputFiles(lab.keyFile);
  await page.getByText("2 problems").waitFor();
  const errors = page.locator("[data-preview-errors] li");
  await errors.nth(1).waitFor();
  assert.match((await errors.nth(0).textContent()) ?? "", /Line 2: .*runs backwards/);
  assert.match((await errors.nth(1).textContent()) ?? "", /Line 4: .*not a range of numbers/);
  await visitor.allowing([/422/], async () => {
    const saved = page.waitForResponse((answer) => answer.url().endsWith("/save") && answer.ok());
    await page.getByRole("button", { name: "Start bootstrapping" }).click();
    await page.locator("[data-problems]").getByRole("link").first().waitFor();
    await saved;
    await visitor.look("refused");
  });
  assert.equal(await page.locator("#field-hosts").inputValue(), typed);
  assert.equal(await page.locator("#field-key").inputValue(), lab.key, "the key is still there");
  await page.locator("#field-hosts:focus").waitFor(); // the cursor is in the field to mend
  assert.deepEqual((await api("/operations")).items, [], "nothing was started");

  await page.locator("#field-hosts").fill(four[0]);
  await page.locator("#field-key").fill("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGC0v2Yr3aUO8Zl6m0Dfd7uYV8o9a1bq0q9Jv8gq8mCw a public key");
  await visitor.allowing([/422/], async () => {
    await page.getByRole("button", { name: "Start bootstrapping" }).click();
    await page.locator('[data-field-error="key"]').getByText("This is a public key").waitFor();
  });
  assert.deepEqual((await api("/operations")).items, [], "nothing was started");
});

/**
 * Chooses where the lab's hosts get the agent from: what does not answer is refused, and what answers is told.
 * @param {import("../fixture/visitor.mjs").Visitor} visitor
 */
async function chooseVersions(visitor) {
  const { page } = visitor;
  await visitor.look();
  for (const family of ["rhel", "suse", "other"]) await page.locator(`input[name="family"][value="${family}"]`).uncheck();
  await page.locator("#field-channel_rhel").waitFor({ state: "hidden" });
  await visitor.allowing([/422/], async () => {
    const saved = page.waitForResponse((answer) => answer.url().endsWith("/save") && answer.ok());
    await page.locator("#field-channel_debian").fill("nightly");
    await page.getByRole("button", { name: "Next" }).click();
    await page.locator('[data-field-error="channel_debian"]').getByText("no such channel").waitFor();
    await saved;
    await visitor.look("refused");
  });
  await page.locator("#field-channel_debian").fill("stable");
  await page.getByRole("button", { name: "Check the addresses" }).click();
  await page.waitForURL(/\/versions\?check=yes$/);
  await page.getByText("It answers. hostler-agent").waitFor();
  assert.ok(!(await page.locator('input[name="family"][value="suse"]').isChecked()), "what was chosen is kept");
  await visitor.look("checked");
  await page.getByRole("button", { name: "Next" }).click();
}

story("four hosts are installed and watched live", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await page.goto("/wizards");
  await page.getByRole("link", { name: "Go on" }).first().click(); // the draft of the story before
  await page.locator("#field-hosts").fill("node[1-4].lab.test");
  await page.locator("[data-key-file]").setInputFiles(lab.keyFile);
  await page.getByText("4 hosts", { exact: true }).waitFor();
  assert.deepEqual(await page.locator("[data-preview-names] li").allTextContents(), four);
  await visitor.look("filled");

  const letGo = await lab.holdPackages(four[3] ?? "");
  await page.getByRole("button", { name: "Start bootstrapping" }).click();
  await page.waitForURL(/\/confirm$/);
  await mark(page);
  const held = row(page, four[3] ?? "");
  for (const host of four.slice(0, 3)) await row(page, host).and(page.locator('[data-tone="done"]')).waitFor();
  await held.and(page.locator('[data-tone="running"]')).getByText("Install the agent").waitFor();
  await visitor.look("running");
  await followTheLog(visitor, held, letGo);

  await held.and(page.locator('[data-tone="done"]')).waitFor();
  await page.locator('.progress-panel[data-tone="done"]').waitFor();
  await page.locator('[data-value="done"]').getByText("4", { exact: true }).waitFor();
  assert.ok(await stillThere(page), "all of this was live");
  await visitor.look("done");
  await passChecks(visitor);
  await page.getByRole("heading", { name: "4 hosts joined dc1-prod" }).waitFor();
  await visitor.look();
  await page.getByRole("button", { name: "Finish" }).click();
  await page.getByText("Finished. The hosts are under management.").waitFor();
});

/**
 * Opens the log of a host whose installation waits, lets it go on, and reads along.
 * @param {import("../fixture/visitor.mjs").Visitor} visitor
 * @param {import("playwright-core").Locator} held
 * @param {() => Promise<void>} letGo
 */
async function followTheLog(visitor, held, letGo) {
  const { page } = visitor;
  await held.getByRole("link", { name: "Log" }).click();
  const drawer = page.locator("log-drawer");
  const lines = drawer.locator("[data-drawer-log] .line");
  const follow = drawer.getByRole("button", { name: "Follow" });
  await lines.first().waitFor();
  const before = await lines.count();
  assert.equal(await follow.getAttribute("aria-pressed"), "true");
  await visitor.look("log");

  await letGo();
  await until("more lines", async () => (await lines.count()) > before);
  await drawer.locator('[data-drawer-steps] li[data-tone="done"]').getByText("First heartbeat").waitFor();
  const distance = await drawer.locator("[data-drawer-log]").evaluate((e) => e.scrollHeight - e.clientHeight - e.scrollTop);
  assert.ok(distance < 10, `the end is in view, not ${distance} px below`);

  await drawer.getByRole("searchbox").fill("hostler-agent");
  await drawer.locator(".line.hit").first().waitFor();
  const hits = Number(await drawer.locator("[data-drawer-hits]").textContent());
  assert.equal(hits, await drawer.locator(".line.hit").count());
  for (const line of await drawer.locator(".line.hit").allTextContents()) assert.match(line, /hostler-agent/i);
  await drawer.getByRole("searchbox").fill("");
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "hidden" });
}

story("overview, hosts and a host show them beating, live", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await visitor.visit("/");
  await page.locator('.tile [data-value="healthy"]').getByText("4", { exact: true }).waitFor();
  const detail = await administrator();
  await page.goto("/hosts");
  await detail.page.goto("/hosts");
  await detail.page.getByRole("link", { name: four[0] ?? "" }).click();
  for (const text of ["Kernel", "Processor", "Memory", "Debian GNU/Linux 12", "10.77.0.11"]) {
    await detail.page.getByText(text).first().waitFor();
  }
  await detail.look();
  await visitor.look();

  const beat = (/** @type {string} */ host) => row(page, host).locator('[data-cell="last_seen"]').getAttribute("datetime");
  await mark(page);
  const first = await Promise.all(four.map(beat));
  for (const [i, host] of four.entries()) {
    await row(page, host).locator('[data-cell="state"]').getByText("Healthy", { exact: true }).waitFor();
    await until(`a new heartbeat of ${host}`, async () => ((await beat(host)) ?? "") > (first[i] ?? ""));
  }
  assert.ok(await stillThere(page), "without loading the page again");
});
