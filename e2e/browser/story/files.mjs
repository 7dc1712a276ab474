import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as lab from "../fixture/lab.mjs";
import { administrator } from "../fixture/people.mjs";
import { story } from "../fixture/story.mjs";
import { until } from "../fixture/until.mjs";

const two = lab.hosts.slice(0, 2);

story("files that are dropped are sent one after another, and each is pushed", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await visitor.visit("/pushes/new");
  await page.locator("#field-hosts").fill(two[0] ?? "");
  const drop = (/** @type {Record<string, string>} */ files) => page.evaluate((all) => {
    const data = new DataTransfer();
    for (const [name, content] of Object.entries(all)) data.items.add(new File([content], name));
    document.querySelector("[data-drop]")?.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  }, files);
  const uploads = page.locator("[data-uploads] li");
  // One that the network loses says so, and can be tried again.
  await page.route("**/api/v1/files", (route) => route.abort("connectionreset"), { times: 1 });
  await visitor.allowing([/api\/v1\/files/], async () => {
    await drop({ "dropped-one": "one\n", "dropped-two": "two\n", unwanted: "no\n" });
    await uploads.filter({ hasText: "the server did not answer" }).waitFor();
  });
  await uploads.filter({ hasText: "unwanted" }).getByText("on the server").waitFor();
  await page.locator("#field-path").fill("/tmp");
  await page.locator(".work-form .form-actions button").click();
  await page.locator("#field-file-error").getByText("Not all files are on the server yet").waitFor();
  await uploads.filter({ hasText: "unwanted" }).getByRole("button", { name: "Take out" }).click();
  await uploads.filter({ hasText: "dropped-one" }).getByRole("button", { name: "Try again" }).click();
  await uploads.filter({ hasText: "dropped-one" }).getByText("on the server").waitFor();
  await visitor.look("uploads");
  await visitor.allowing([/422/], async () => {
    await page.locator("#field-path").press("Enter");
    await page.locator('[data-problems] a[href="#field-path"]').waitFor();
  });
  await page.locator("#field-path").fill("/tmp/");
  await page.locator(".work-form .form-actions button").click();
  await page.waitForURL(/\/operations\/\d+$/);
  await page.getByText("Each file is pushed by an operation of its own").waitFor();
  await until("both files", async () => lab.run(two[0] ?? "", "cat /tmp/dropped-one /tmp/dropped-two 2>/dev/null || :") === "one\ntwo");
  assert.equal(lab.run(two[0] ?? "", "ls /tmp/unwanted 2>/dev/null || echo gone"), "gone");
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
