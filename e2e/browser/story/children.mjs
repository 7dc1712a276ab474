import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { administrator, mark, stillThere } from "../fixture/people.mjs";
import { cli, hostByName } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";
import { until } from "../fixture/until.mjs";

const host = "node1.lab.test";
const definition = `[agent]
name = BasicAgent
version = 1.5.6
command = "/bin/sh -c 'echo started; exec sleep 4711'"
[restart]
policy = fast
[limits]
memory = 100M
`;

/** The number of the one process of the child agent. */
const pid = () => lab.run(host, "pgrep -fx 'sleep 4711'");

story("a child agent outlives its agent, is started again, and obeys its buttons", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  lab.run(host, `mkdir -p /etc/hostler-agent/agents.d; cat >/etc/hostler-agent/agents.d/basic.ini <<'INI'\n${definition}INI`);
  await page.goto(`/hosts/${(await hostByName(host)).id}`);
  await mark(page);
  const row = page.locator("#host-children tr").filter({ hasText: "BasicAgent" });
  await row.getByText("Running", { exact: true }).waitFor({ timeout: 30_000 });
  await row.getByText("100M").waitFor();
  assert.ok(await stillThere(page), "without loading the page again");
  await visitor.look("child");

  const first = pid();
  for (const end of ["kill -9 $(systemctl show --property MainPID --value hostler-agent)", "systemctl restart hostler-agent", "systemctl reload hostler-agent"]) {
    lab.run(host, end);
    await until("the agent to be back", async () => lab.run(host, "systemctl is-active hostler-agent || :") === "active");
    assert.equal(pid(), first, `one copy, the same process, after: ${end}`);
  }
  lab.run(host, `kill -9 ${first}`);
  await until("it runs again", async () => !["", first].includes(lab.run(host, "pgrep -fx 'sleep 4711' || :")));
  const second = pid();
  await page.goto("/events");
  await page.getByText("BasicAgent").first().waitFor({ timeout: 20_000 });
  await visitor.look("child");

  await page.goto("/child-agents");
  await page.getByRole("button", { name: "Stop: BasicAgent" }).click();
  await page.waitForURL(/\/operations\/\d+$/);
  await page.locator('[data-value="state"]').getByText("Done", { exact: true }).waitFor();
  assert.equal(lab.run(host, "pgrep -fx 'sleep 4711' || :"), "", "it is stopped");
  await page.goto("/child-agents");
  await visitor.look("stopped");
  assert.equal(cli("agents", "start", "--hosts", host, "BasicAgent").status, 0);
  assert.notEqual(pid(), second);
  await page.goto("/child-agents");
  await page.getByRole("button", { name: "Log: BasicAgent", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  await page.locator("#job-stdout").getByText("started").first().waitFor();
  await visitor.look("log");
});
