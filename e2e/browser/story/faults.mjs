import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { administrator, mark, row, stillThere } from "../fixture/people.mjs";
import { hostByName, hostsAre } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";
import { until } from "../fixture/until.mjs";

const [, , killed = "", dead = ""] = lab.hosts;

story("an agent that is killed comes back; a host without power is lost, and is found again", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await page.goto("/hosts");
  await mark(page);
  const detail = await administrator();
  await detail.page.goto(`/hosts/${(await hostByName(killed)).id}`);
  await mark(detail.page);
  lab.powerOff(dead);

  const shown = (/** @type {string} */ value) => detail.page.locator(`[data-value="${value}"]`).getAttribute("datetime");
  const [began, beat] = await Promise.all([shown("agent_started"), shown("last_seen")]);
  lab.run(killed, "kill -9 $(systemctl show --property MainPID --value hostler-agent)");
  await until("the agent's new start on its page", async () => ((await shown("agent_started")) ?? "") > (began ?? ""));
  await until("heartbeats again", async () => ((await shown("last_seen")) ?? "") > (beat ?? ""));
  await detail.page.locator('[data-value="state"]').getByText("Healthy", { exact: true }).waitFor();
  assert.ok(await stillThere(detail.page), "without loading the page again");

  const state = row(page, dead).locator('[data-cell="state"]');
  await state.getByText("Lost", { exact: true }).waitFor(); // three steps of 10 s, and the sweep
  await page.locator('.chip [data-value="lost"]').getByText("1", { exact: true }).waitFor();
  assert.ok(await stillThere(page), "without loading the page again");
  await visitor.look("lost");
  await detail.visit("/", "lost");
  await detail.page.locator("#overview-attention").getByRole("link", { name: dead }).waitFor();
  await detail.visit(`/hosts/${(await hostByName(dead)).id}`, "lost");
  await detail.page.goto("/events");
  await detail.page.getByText(`${dead} is lost`).first().waitFor();

  lab.boot(dead);
  await state.getByText("Healthy", { exact: true }).waitFor();
  assert.ok(await stillThere(page), "without loading the page again");
  await detail.page.getByText(`${dead} is back`).first().waitFor(); // live as well
  await detail.look();
  await hostsAre("healthy", lab.hosts.slice(0, 4));
});
