import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import * as lab from "../fixture/lab.mjs";
import { administrator, mark, stillThere } from "../fixture/people.mjs";
import { cli } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";

const four = lab.hosts.slice(0, 4);
const [, , odd = ""] = four;

story("a command runs on four hosts, and equal answers are shown together", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await page.goto("/commands/new");
  await visitor.look();
  await page.locator("#field-hosts").fill("nobody.lab.test");
  await page.locator("#field-script").fill(`echo same; test "$(hostname)" != ${odd}`);
  await visitor.allowing([/422/], async () => {
    await page.locator(".work-form .form-actions button").click();
    await page.getByRole("link", { name: /nobody\.lab\.test/ }).waitFor();
    await visitor.look("unknown-host");
  });
  assert.match(await page.locator("#field-script").inputValue(), /^echo same/, "nothing typed is lost");
  await page.locator("#field-hosts").fill("node[1-4].lab.test");
  await page.locator(".work-form .form-actions button").click();
  await page.waitForURL(/\/operations\/\d+$/);
  await mark(page);

  const groups = page.locator("#outcomes .outcome");
  await groups.filter({ hasText: "3 hosts" }).getByText("exit status 0").waitFor();
  await groups.filter({ hasText: "1 host" }).getByText("exit status 1").waitFor();
  assert.ok(await stillThere(page), "without loading the page again");
  await visitor.look("command");

  await groups.filter({ hasText: "exit status 1" }).locator("summary").click();
  await groups.getByRole("link", { name: odd }).click();
  await page.waitForURL(/\/jobs\//);
  await page.locator("#job-stdout").getByText("same").waitFor();
  await visitor.look();
});

story("a job is watched while it runs, and canceled", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await page.goto("/commands/new?hosts=node1.lab.test");
  await page.locator("#field-script").fill("echo begun; exec sleep 1000");
  await page.locator(".work-form .form-actions button").click();
  await page.waitForURL(/\/operations\/\d+$/);
  await page.goto("/jobs");
  await page.locator("#jobs").getByRole("link", { name: "Command" }).first().click();
  await page.waitForURL(/\/jobs\//);
  await mark(page);
  await page.locator("#job-stdout").getByText("begun").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator("#job-head").getByText("Canceled", { exact: true }).waitFor();
  assert.equal(lab.run("node1.lab.test", "pgrep -fcx 'sleep 1000' || :"), "0", "nothing of it is left");
});

story("commands and files go by the command line, too", async () => {
  const run = cli("run", "--hosts", "node[1-4].lab.test", "--", "sh", "-c", `test "$(hostname)" != ${odd} && echo yes || { echo no; exit 4; }`);
  assert.equal(run.status, 1, run.stderr);
  assert.match(run.stdout, /== .*node1.*node2.*node4.* \(succeeded, exit status 0\)\nyes\n/);
  assert.match(run.stdout, new RegExp(`== ${odd} \\(failed, exit status 4\\)\nno\n`));

  const dir = mkdtempSync("e2e/browser/out/files-");
  writeFileSync(`${dir}/motd`, "Welcome.\n");
  const push = cli("push", "--hosts", "node[1-2].lab.test", "--mode", "0640", "--backup", `${dir}/motd`, "/etc/motd");
  assert.equal(push.status, 0, push.stderr);
  assert.equal(lab.run("node2.lab.test", "stat -c %a /etc/motd; cat /etc/motd"), "640\nWelcome.");
  const fetch = cli("fetch", "--hosts", "node[1-2].lab.test", "--to", dir, "/etc/motd");
  assert.equal(fetch.status, 0, fetch.stderr);
  assert.equal(readFileSync(`${dir}/node1.lab.test/motd`, "utf8"), "Welcome.\n");

  assert.match(cli("jobs", "list").stdout, /push \/etc\/motd +succeeded/);
});
