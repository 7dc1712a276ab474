import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as lab from "../fixture/lab.mjs";
import { administrator } from "../fixture/people.mjs";
import { hostsAre } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";

const two = lab.hosts.slice(0, 2);

story("a command runs on two hosts, and what both said is shown once", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await hostsAre("healthy", two);
  await visitor.visit("/commands/new");
  await page.locator("#field-hosts").fill(two.join("\n"));
  await page.locator("#field-script").fill("echo together; echo apart >&2; exit 3");
  await page.locator(".work-form .form-actions button").click();
  await page.waitForURL(/\/operations\/\d+$/);
  const group = page.locator("#outcomes .outcome");
  await group.getByText("2 hosts").waitFor();
  await group.getByText("exit status 3").waitFor();
  assert.equal(await group.count(), 1, "both said the same");
  await visitor.look("command");
  await group.getByRole("link", { name: two[0] ?? "" }).click();
  await page.locator("#job-stdout pre").getByText("together").waitFor();
  await page.locator("#job-stderr pre").getByText("apart").waitFor();
  await visitor.look();
  await visitor.visit("/jobs");
});

story("a file that a refused form brought need not be chosen again", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  const dir = mkdtempSync(`${tmpdir()}/push-`);
  try {
    writeFileSync(`${dir}/motd`, "welcome\n");
    await visitor.visit("/pushes/new");
    await page.locator("#field-hosts").fill(two[0] ?? "");
    await page.locator("#field-file").setInputFiles(`${dir}/motd`);
    await page.locator("#field-path").fill("etc/motd");
    await visitor.allowing([/422/], async () => {
      await page.locator(".work-form .form-actions button").click();
      await page.locator('[data-problems] a[href="#field-path"]').waitFor();
      await visitor.look("refused");
    });
    await page.locator("#field-path").fill("/etc/motd");
    await page.locator(".work-form .form-actions button").click();
    await page.waitForURL(/\/operations\/\d+$/);
    await page.locator('.progress-panel[data-tone="done"]').waitFor();
    assert.equal(lab.run(two[0] ?? "", "cat /etc/motd"), "welcome");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
