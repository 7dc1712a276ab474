import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as lab from "../fixture/lab.mjs";
import { administrator } from "../fixture/people.mjs";
import { story } from "../fixture/story.mjs";

const two = lab.hosts.slice(0, 2);

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
