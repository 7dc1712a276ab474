import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { lockedKey, passphrase, sudoPassword } from "../fixture/markers.mjs";
import { administrator, begin, mark, passChecks, row, stillThere } from "../fixture/people.mjs";
import * as server from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";

const [quick = "", slow = ""] = lab.hosts;
const serverGone = [/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|WebSocket connection/];

/**
 * Types how to log in as the operator, whose key has a passphrase and whose sudo asks for a password.
 * @param {import("playwright-core").Page} page
 */
async function giveKey(page) {
  await page.locator("#field-key").fill(lockedKey);
  await page.locator("#field-passphrase").fill(passphrase);
  await page.getByText("More: login password, becoming root").click();
  await page.locator("#field-sudo_password").fill(sudoPassword);
}

story("a draft survives a reload, another browser, and a killed server", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await begin(visitor, "dc2-kept");
  const saved = page.waitForResponse((r) => r.url().endsWith("/save") && r.ok() && r.request().postDataJSON().user === "operator");
  await page.locator("#field-hosts").fill(`${quick}\n# and\n${slow}`);
  await page.locator("#field-user").fill("operator");
  await saved;
  const path = new URL(page.url()).pathname;

  /** @param {import("playwright-core").Page} p */
  const kept = async (p) => {
    assert.equal(await p.locator("#field-hosts").inputValue(), `${quick}\n# and\n${slow}`);
    assert.equal(await p.locator("#field-user").inputValue(), "operator");
  };
  await page.reload();
  await kept(page);
  const other = await administrator({ variant: "zh", locale: "zh-CN" });
  await other.page.goto(path);
  await kept(other.page);
  await other.leave();
  await visitor.allowing(serverGone, async () => {
    await server.kill();
    await server.start();
    await page.goto(path);
  });
  await kept(page);
});

story("a run goes on after the server was killed in its middle, once it has the key again", async () => {
  const letGo = await lab.holdPackages(slow);
  const visitor = await administrator();
  const { page } = visitor;
  await page.goto("/wizards");
  await page.getByRole("link", { name: "Go on" }).first().click();
  await giveKey(page);
  await page.getByRole("button", { name: "Start bootstrapping" }).click();
  await page.waitForURL(/\/confirm$/);
  await row(page, quick).and(page.locator('[data-tone="done"]')).waitFor();
  await row(page, slow).getByText("Install the agent").waitFor();
  await mark(page);

  await visitor.allowing(serverGone, async () => {
    await server.kill();
    await page.getByText("Reconnecting…").first().waitFor();
    await visitor.look("reconnecting");
    await server.start();
    await page.locator("[data-live-banner]").waitFor({ state: "hidden" });
  });
  await page.getByRole("heading", { name: "The SSH key is needed again" }).waitFor();
  await row(page, slow).getByText("Waits for the SSH key").waitFor();
  assert.ok(await stillThere(page), "without loading the page again");
  await visitor.look("locked");
  await visitor.allowing([/422/], async () => {
    await page.locator("#field-key").fill(lockedKey);
    await page.locator("#field-passphrase").fill("not this one");
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText("The passphrase does not open the private key.").first().waitFor();
    assert.equal(await page.locator("#field-key").inputValue(), lockedKey, "the key that was typed is still there");
    assert.ok(await stillThere(page), "without leaving the page");
    await visitor.look("refused");
  });

  await letGo();
  await giveKey(page);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.locator('.progress-panel[data-tone="done"]').waitFor();
  await row(page, slow).and(page.locator('[data-tone="done"]')).waitFor();
  await passChecks(visitor);
  await page.getByRole("heading", { name: "2 hosts joined dc2-kept" }).waitFor();
  await page.getByRole("button", { name: "Finish" }).click();
  await page.waitForURL((url) => !url.pathname.startsWith("/wizards"));
});
