import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { administrator, begin, row } from "../fixture/people.mjs";
import { api } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";

const [good = "", keyless = ""] = lab.hosts;

story("an inventory is imported, connections are checked and mended in place, and the keys approved", async () => {
  lab.run(keyless, "mv /root/.ssh/authorized_keys /root/.ssh/kept");
  const visitor = await administrator();
  const { page } = visitor;
  await begin(visitor, "dc5-checked");
  const inventory = `[web]\n${good}\n${keyless} rack=/r7 ansible_ssh_private_key_file=~/.ssh/id\n`;
  await page.locator("[data-hosts-file]").setInputFiles({ name: "inventory.ini", mimeType: "text/plain", buffer: Buffer.from(inventory) });
  await page.getByText("inventory.ini was read as: an Ansible inventory.").waitFor();
  await page.getByText("ansible_ssh_private_key_file=~/.ssh/id was left out").waitFor();
  assert.equal(await page.locator("#field-hosts").inputValue(), `${good} web=\n${keyless} rack=/r7 web=\n`);
  await page.getByText("2 hosts", { exact: true }).waitFor();
  await page.locator("[data-key-file]").setInputFiles(lab.keyFile);
  await visitor.look("imported");
  await page.getByRole("button", { name: "Next: check connections" }).click();
  await page.waitForURL(/\/connections$/);

  const failed = row(page, keyless).and(page.locator('[data-tone="failed"]'));
  await failed.getByText("refuses the SSH key").waitFor();
  await row(page, good).and(page.locator('[data-tone="done"]')).waitFor();
  await page.getByText("1 host failed: mend it, or take it out.").waitFor();
  await visitor.look("failed");
  const [check] = (await api("/operations")).items;

  await page.getByText("Try failed hosts with another user, port or key").click();
  await page.locator(".mend #field-user").fill("operator");
  await page.getByText("More: login password, becoming root").click();
  await page.locator(".mend #field-sudo_password").fill(lab.passwordOf("operator"));
  await visitor.look("mending");
  await page.getByRole("button", { name: "Try these again" }).click();
  await row(page, keyless).and(page.locator('[data-tone="done"]')).waitFor();
  const { tasks } = await api(`/operations/${check.id}`);
  assert.deepEqual(Object.fromEntries(tasks.map((/** @type {any} */ t) => [t.name, t.attempt])), { [good]: 1, [keyless]: 2 });

  await page.getByRole("button", { name: /start bootstrapping$/i }).click();
  await page.waitForURL(/\/confirm$/);
  await page.locator('.progress-panel[data-tone="done"]').waitFor();
  lab.run(keyless, "mv /root/.ssh/kept /root/.ssh/authorized_keys");
  const host = (await api(`/hosts?search=${keyless}`)).items[0];
  assert.match((await api(`/hosts/${host.id}`)).tags, /rack=\/r7/);
  await visitor.look();
});
