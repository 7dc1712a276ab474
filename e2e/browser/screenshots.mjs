// Takes the README's pictures: a small site with a trouble or two, in English and Chinese.
import { statSync } from "node:fs";
import * as lab from "./fixture/lab.mjs";
import { administrator, begin, name, passChecks, remember, row } from "./fixture/people.mjs";
import { password } from "./fixture/markers.mjs";
import * as server from "./fixture/server.mjs";
import { until } from "./fixture/until.mjs";
import { closeBrowser, openBrowser, Visitor } from "./fixture/visitor.mjs";

const images = "docs/images";
const largest = 150_000; // bytes
const languages = [["en", "en-GB"], ["zh", "zh-CN"]];

/** Takes a picture of a page in each language. @param {string} what @param {string} path @param {(v: Visitor) => Promise<unknown>} ready */
async function picture(what, path, ready) {
  for (const [language, locale = ""] of languages) {
    const visitor = await administrator({ locale });
    await visitor.page.goto(path);
    await ready(visitor);
    const file = `${images}/${what}-${language}.png`;
    await visitor.page.screenshot({ path: file });
    const { size } = statSync(file);
    if (size > largest) throw new Error(`${file} has ${size} bytes`);
    console.log(`${file}  ${size} bytes`);
    await visitor.leave();
  }
}

async function setUp() {
  const link = /http\S+/.exec(await server.start())?.[0] ?? "";
  const visitor = await Visitor.come();
  await visitor.page.goto(link);
  await visitor.page.locator("#field-name").fill(name);
  await visitor.page.locator("#field-password").fill(password);
  await visitor.page.locator("#field-confirm").fill(password);
  await visitor.page.getByRole("button", { name: "Create administrator" }).click();
  await visitor.page.getByText("Welcome. You are the administrator.").waitFor();
  await remember(visitor);
  server.makeToken();
  return visitor;
}

/** Starts the installation of all hosts and returns the address where it is watched. @param {Visitor} visitor */
async function install(visitor) {
  const { page } = visitor;
  await begin(visitor, "dc1-prod");
  await page.locator("#field-hosts").fill(lab.hosts.join("\n"));
  await page.locator("[data-key-file]").setInputFiles(lab.keyFile);
  await page.getByText(`${lab.hosts.length} hosts`, { exact: true }).waitFor();
  await page.getByRole("button", { name: "Start bootstrapping" }).click();
  await page.waitForURL(/\/confirm$/);
  return new URL(page.url()).pathname;
}

try {
  await openBrowser();
  const visitor = await setUp();
  const { page } = visitor;
  const [closed = "", slow = "", slower = ""] = lab.hosts.filter((h) => /^(db2|cache1|build1)\./.test(h));
  lab.run(closed, "systemctl stop ssh.service");
  const letGo = await Promise.all([slow, slower].map(lab.holdPackages));
  const path = await install(visitor);
  const tone = (/** @type {string} */ host, /** @type {string} */ is) => row(page, host).and(page.locator(`[data-tone="${is}"]`)).waitFor();
  await tone(closed, "failed");
  for (const host of lab.hosts) if (![closed, slow, slower].includes(host)) await tone(host, "done");
  for (const host of [slow, slower]) await row(page, host).getByText(/6\/10/).waitFor();
  await picture("confirm", path, (v) => v.page.locator('.progress-panel[data-tone="running"]').waitFor());

  for (const go of letGo) await go();
  for (const host of [slow, slower]) await tone(host, "done");
  lab.run(closed, "systemctl start ssh.service");
  await page.getByRole("button", { name: "Retry failed" }).click();
  await page.locator('.progress-panel[data-tone="done"]').waitFor();
  await passChecks(visitor);
  await page.getByRole("button", { name: "Finish" }).click();
  await page.getByText("Finished. The hosts are under management.").waitFor();
  await visitor.leave();

  const host = await server.hostByName(lab.hosts[0] ?? "");
  const beats = 12;
  await until("some heartbeats to show", async () => Date.now() - Date.parse(host.registered_at) > beats * 10_000, 200_000);
  await picture("host", `/hosts/${host.id}`, (v) => v.page.locator(".beats").waitFor());
  lab.powerOff(closed);
  await until("a host to be lost", async () => (await server.hostByName(closed)).state === "lost");
  await picture("overview", "/", (v) => v.page.locator("#overview-attention a").first().waitFor());
} finally {
  await closeBrowser();
  await server.stop();
  lab.letAllGo();
}
