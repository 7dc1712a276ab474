import assert from "node:assert/strict";
import { administrator } from "../fixture/people.mjs";
import { api } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";

story("jobs and events are narrowed down, on their lists and on a host's page", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  const failed = (await api("/jobs?state=failed&limit=1")).items[0];
  const host = failed?.host ?? "";
  assert.notEqual(host, "", "a job has failed in the stories before");

  await visitor.visit("/jobs");
  await page.locator(".chips").getByRole("link", { name: "Failed" }).click();
  await page.waitForURL(/\/jobs\?state=failed$/);
  await page.getByRole("searchbox", { name: "Host's full name" }).fill(host.toUpperCase());
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.waitForURL(/host_name=/);
  const names = await page.locator("#jobs tbody tr td:nth-child(2)").allInnerTexts();
  assert.ok(names.length > 0 && names.every((name) => name.trim() === host), `only jobs of ${host}: ${names}`);
  await page.getByRole("link", { name: host }).first().click(); // its chip: all hosts again, with the other filter as it was
  await page.waitForURL(/\/jobs\?state=failed$/);

  await page.goto(`/hosts/${failed.host_id}`);
  await page.locator("#host-jobs .chips").getByRole("link", { name: /^Failed/ }).click();
  await page.waitForURL(/job_state=failed/);
  const states = await page.locator("#host-jobs tbody tr td:nth-child(2)").allInnerTexts();
  assert.ok(states.length > 0 && states.every((state) => state.trim() === "Failed"), `only failed jobs: ${states}`);
  await page.locator("#host-events .chips").getByRole("link", { name: /^Info/ }).click();
  await page.waitForURL(/job_state=failed.*severity=info/);
  await visitor.look("filtered");
  await page.locator("#host-events").getByRole("link", { name: "All events of this host" }).click();
  await page.waitForURL(new RegExp(`/events\\?host=${failed.host_id}&severity=info$`));

  await page.locator('select[name="kind"]').selectOption("certificate");
  await page.locator('select[name="hours"]').selectOption("1");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.waitForURL(/kind=certificate/);
  assert.equal(new URL(page.url()).searchParams.get("host"), String(failed.host_id), "the host stays chosen");
  await visitor.look("narrow");
});
