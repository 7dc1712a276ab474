import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
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
  // The agent takes it up at once: before the page is drawn, or after that and before the page listens.
  lab.run(host, `mkdir -p /etc/hostler-agent/agents.d; cat >/etc/hostler-agent/agents.d/basic.ini <<'INI'\n${definition}INI`);
  await page.goto(`/hosts/${(await hostByName(host)).id}`);
  await mark(page);
  const row = page.locator("#host-children tr").filter({ hasText: "BasicAgent" });
  await row.getByText("Running", { exact: true }).waitFor();
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
  await page.getByText("BasicAgent").first().waitFor();
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

/** Packs a child agent that says its version, and gives the archive and its checksum. @param {string} version */
function pack(version) {
  const dir = mkdtempSync(`${tmpdir()}/catalogue-`);
  try {
    const root = `gauge-${version}`;
    mkdirSync(`${dir}/${root}/bin`, { recursive: true });
    writeFileSync(`${dir}/${root}/bin/gauge`, `#!/bin/sh\necho gauge ${version}\nexec sleep 4713\n`, { mode: 0o755 });
    execFileSync("tar", ["--owner=0", "--group=0", "-C", dir, "-czf", `${dir}/gauge.tar.gz`, root]);
    const archive = readFileSync(`${dir}/gauge.tar.gz`);
    return { archive, checksum: `SHA256:${createHash("sha256").update(archive).digest("hex")}` };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Uploads an archive to the server's own repository. @param {string} name @param {Buffer} content */
function uploadArchive(name, content) {
  const dir = mkdtempSync(`${tmpdir()}/archive-`);
  try {
    writeFileSync(`${dir}/${name}`, content);
    const added = cli("repo", "add", `${dir}/${name}`);
    assert.equal(added.status, 0, added.stderr);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

story("a child agent is installed, upgraded, taken from the catalogue to another host, and uninstalled", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  const packed = new Map(["1.0", "1.1"].map((version) => [version, pack(version)]));
  const shop = createServer((request, answer) => {
    const found = packed.get(request.url?.match(/^\/gauge-(.*)\.tar\.gz$/)?.[1] ?? "");
    answer.writeHead(found ? 200 : 404).end(found?.archive);
  });
  await new Promise((listening) => shop.listen(0, lab.address, () => listening(undefined)));
  const url = (/** @type {string} */ version) => `http://${lab.address}:${/** @type {import("node:net").AddressInfo} */ (shop.address()).port}/gauge-${version}.tar.gz`;
  const sent = async () => {
    await page.locator(".work-form .form-actions button").click();
    await page.waitForURL(/\/operations\/\d+$/);
    await page.locator('[data-value="state"]').getByText("Done", { exact: true }).waitFor();
  };
  const says = (/** @type {string} */ name, /** @type {string} */ version) =>
    until(`gauge ${version} on ${name}`, async () => lab.run(name, "grep -rhs gauge /var/log/hostler-agent/agents || :").includes(`gauge ${version}`));
  const runs = (/** @type {string} */ name) => lab.run(name, "pgrep -fxc 'sleep 4713' || :");
  try {
    await page.goto("/child-agents/new?hosts=node2.lab.test");
    await page.locator("#field-name").fill("gauge");
    await page.locator("#field-version").fill("1.0");
    await page.locator("#field-url").fill(url("1.0"));
    await page.locator("#field-checksum").fill(packed.get("1.1")?.checksum ?? "");
    await page.locator("#field-definition").fill("[agent]\nname = gauge\nversion = 1.0\ncommand = bin/gauge\n");
    await page.locator(".work-form .form-actions button").click();
    await page.waitForURL(/\/operations\/\d+$/);
    await page.locator("#outcomes").getByText(/checksum/i).first().waitFor();
    await visitor.look("other-checksum");
    assert.equal(runs("node2.lab.test"), "0", "nothing was installed");

    await page.getByRole("link", { name: "Run again" }).first().click();
    assert.equal(await page.locator("#field-url").inputValue(), url("1.0"), "nothing need be typed again");
    await page.locator("#field-checksum").fill(packed.get("1.0")?.checksum ?? "");
    await sent();
    await says("node2.lab.test", "1.0");

    await visitor.visit("/child-agents/catalogue", "two");
    await page.getByRole("link", { name: "Install on hosts: gauge 1.0" }).click();
    assert.equal(await page.locator("#field-checksum").inputValue(), packed.get("1.0")?.checksum);
    await page.locator("#field-hosts").fill("node3.lab.test");
    await sent();
    await says("node3.lab.test", "1.0");

    uploadArchive("gauge-1.1.tar.gz", packed.get("1.1")?.archive ?? Buffer.of());
    await visitor.visit("/child-agents/catalogue", "repository");
    await page.getByRole("link", { name: "Install on hosts: gauge 1.1, static" }).click();
    assert.equal(await page.locator("#field-checksum").inputValue(), packed.get("1.1")?.checksum);
    await page.locator("#field-hosts").fill("node3.lab.test");
    await page.locator("#field-definition").fill("[agent]\nname = gauge\nversion = 1.1\ncommand = bin/gauge\n");
    await page.locator('input[name="action"][value="upgrade"]').check();
    await sent();
    await says("node3.lab.test", "1.1");
    assert.equal(runs("node2.lab.test"), "1", "the other host's is left alone");

    await page.goto("/child-agents?search=gauge");
    for (const [name, version] of [["node2.lab.test", "1.0"], ["node3.lab.test", "1.1"]]) {
      await page.locator("#children tr").filter({ hasText: name }).getByText(version ?? "", { exact: true }).waitFor();
    }
    await page.locator("[data-select-all]").check();
    await visitor.allowing([/422/], async () => {
      await page.getByRole("button", { name: "Uninstall" }).click();
      await page.getByText("node2.lab.test, node3.lab.test").waitFor();
      await visitor.look("uninstall");
    });
    await page.getByRole("button", { name: "Uninstall" }).click();
    await page.waitForURL(/\/operations\/\d+$/);
    await page.locator('[data-value="state"]').getByText("Done", { exact: true }).waitFor();
    for (const name of ["node2.lab.test", "node3.lab.test"]) assert.equal(runs(name), "0", `it is gone from ${name}`);
    await page.goto("/child-agents/catalogue");
    await page.getByRole("button", { name: "Forget: gauge 1.0" }).click();
    await page.getByRole("link", { name: "Install on hosts: gauge 1.0" }).waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Install on hosts: gauge 1.1", exact: true }).waitFor();
  } finally {
    shop.closeAllConnections();
    shop.close();
  }
});
