import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { administrator, mark, row, stillThere } from "../fixture/people.mjs";
import { hostByName } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";

const [one = "", two = ""] = lab.hosts;

story("hosts are chosen in their list, also over pages and filters, and get a command", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  const box = async (/** @type {string} */ host) => page.locator(`input[name="host"][value="${(await hostByName(host)).id}"]`);
  await page.goto("/hosts");
  assert.ok(await page.getByRole("button", { name: "Run a command" }).isDisabled(), "nothing is chosen yet");
  await (await box(one)).check();
  await page.locator('main form[role="search"] input[name="search"]').fill(two);
  await page.keyboard.press("Enter");
  await page.waitForURL(/search=/);
  await (await box(two)).check();
  await page.getByText("2 selected, 1 of them not on this page").waitFor();
  await visitor.look("chosen");
  await page.reload();
  await page.getByText("2 selected").waitFor();
  await page.getByRole("button", { name: "Run a command" }).click();
  await page.waitForURL(/\/commands\/new/);
  assert.equal(await page.locator("#field-hosts").inputValue(), `${one}\n${two}`);

  await page.goto("/hosts?state=healthy");
  await page.getByLabel(/match this filter/).check();
  await page.getByRole("button", { name: "Run a command" }).click();
  await page.getByLabel(/Every host that matches: Healthy/).waitFor();
  await visitor.look("filter");
});

story("what a host writes is watched beside the list, and some hosts do it again", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await page.goto(`/commands/new?hosts=${one},${two}`);
  const script = `i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "line $i"; done; echo oops >&2
while [ ! -e /tmp/go ]; do sleep 0.1; done; echo "went on"; test "$(hostname)" != ${two}`;
  await page.locator("#field-script").fill(script);
  await page.locator(".work-form .form-actions button").click();
  await page.waitForURL(/\/operations\/\d+$/);
  await mark(page);
  await row(page, one).getByRole("link", { name: "Log" }).click();
  const drawer = page.locator("log-drawer");
  await drawer.locator("#job-stdout").getByText(/line 40$/).waitFor();
  await drawer.locator("#job-stderr").getByText("oops").waitFor();
  await visitor.look("drawer");
  for (const host of [one, two]) lab.run(host, "touch /tmp/go");
  await drawer.locator("#job-stdout").getByText("went on").waitFor();
  assert.ok(await stillThere(page), "without loading the page again");
  await drawer.getByRole("link", { name: "Open the job's page" }).click();
  await page.waitForURL(/\/jobs\//);

  const stdout = page.locator("#job-stdout");
  await stdout.getByRole("searchbox").fill("LINE 3");
  await stdout.getByText("1 of 11").waitFor();
  await page.keyboard.press("Enter");
  await stdout.getByText("2 of 11").waitFor();
  assert.equal(await stdout.locator(".line.target").textContent(), "30line 30");
  await visitor.look("found");
  await page.goto(`${page.url()}#L38`);
  await page.locator("#L38.target").waitFor();
  await stdout.getByLabel("Wrap").uncheck();
  assert.equal(await page.locator("#L38").evaluate((e) => getComputedStyle(e).whiteSpace), "pre");

  await page.getByRole("link", { name: "Operation", exact: true }).click();
  await page.getByRole("link", { name: "Run again where it is not done" }).click();
  await page.waitForURL(/\/commands\/new/);
  assert.equal(await page.locator("#field-hosts").inputValue(), two);
  assert.equal(await page.locator("#field-script").inputValue(), script);
  for (const host of [one, two]) lab.run(host, "rm -f /tmp/go");
});
