import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { logIn, numberIn, row } from "../fixture/people.mjs";
import { api, hostsAre } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";
import { until } from "../fixture/until.mjs";
import { Visitor } from "../fixture/visitor.mjs";

story("without scripts the pages show everything and the forms work", async () => {
  const visitor = await Visitor.come({ variant: "scriptless", javaScriptEnabled: false });
  const { page } = visitor;
  await hostsAre("healthy", lab.hosts); // those that the killed server did not write down yet report again within a step
  await page.goto("/hosts");
  await logIn(visitor);
  await page.waitForURL("**/hosts");
  for (const host of lab.hosts) await row(page, host).locator('[data-cell="state"]').getByText("Healthy", { exact: true }).waitFor();
  await visitor.look();

  await page.goto("/wizards");
  await page.getByRole("button", { name: "Start" }).click();
  await page.locator("#field-cluster").fill("dc3-plain");
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("button", { name: "Check the addresses" }).click();
  await page.getByText("It answers. hostler-agent").first().waitFor();
  await page.getByRole("button", { name: "Next" }).click();
  await page.locator("#field-hosts").fill("node[2-1].lab.test");
  await visitor.allowing([/422/], async () => {
    await page.getByRole("button", { name: "Start bootstrapping" }).click();
    await page.getByText("runs backwards").first().waitFor();
    await visitor.look("refused");
  });
  assert.equal(await page.locator("#field-hosts").inputValue(), "node[2-1].lab.test");
  await page.locator("#field-hosts").fill(lab.hosts[0] ?? "");
  await page.locator("#key-file").setInputFiles(lab.keyFile);
  await page.getByRole("button", { name: "Start bootstrapping" }).click();
  await page.waitForURL(/\/confirm$/);
  await visitor.look();

  const [operation] = (await api("/operations")).items;
  await until("the run's end", async () => (await api(`/operations/${operation.id}`)).state === "done");
  await page.reload();
  await row(page, lab.hosts[0] ?? "").getByText("Done", { exact: true }).waitFor();
  await page.goto(`/operations/${operation.id}`);
  await visitor.look();
  await page.getByRole("main").getByRole("link", { name: "Log" }).first().click();
  await page.waitForURL(/\/tasks\/\d+$/);
  await page.getByText("Install the agent").first().waitFor();
  assert.ok(((await page.locator("pre.log").textContent()) ?? "").includes("hostler-agent"), "the log is there");
  await visitor.look();
  assert.equal(numberIn(page), operation.id);
});
