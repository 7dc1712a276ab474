import assert from "node:assert/strict";
import { administrator, begin } from "../fixture/people.mjs";
import { story } from "../fixture/story.mjs";
import { until } from "../fixture/until.mjs";

/** @param {import("playwright-core").Page} page */
const focused = (page) => page.evaluate(() => {
  const e = document.activeElement;
  return e?.id || e?.getAttribute("name") || e?.textContent?.trim() || "";
});

/** Waits for the focus to be somewhere: some of its ways take a while. @param {import("playwright-core").Page} page @param {string} name */
const focusIs = (page, name) => until(`the focus on ${name}`, async () => (await focused(page)) === name);

story("the keyboard is enough", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await page.goto("/hosts");
  await page.keyboard.press("Tab");
  await focusIs(page, "Skip to content");
  await visitor.look("skip-link");
  await page.keyboard.press("Enter");
  await focusIs(page, "content");

  const events = page.getByRole("link", { name: "Events" });
  await events.focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await visitor.look("help");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await focusIs(page, "Events"); // Esc gives the focus back
  await page.keyboard.press("/");
  await focusIs(page, "search");
  await page.keyboard.type("node2");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/hosts?search=node2");
  assert.deepEqual(await page.locator('[data-cell="name"]').allTextContents(), ["node2.lab.test"]);
});

story("the wizard's options are filled in with Tab and sent with Enter", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await begin(visitor, "dc4-keys");
  await focusIs(page, "field-hosts"); // one can begin to type
  await page.keyboard.type("node[1-2].lab.test");
  for (let i = 0; (await focused(page)) !== "field-user"; i++) {
    assert.ok(i < 12, "the user's field is reached with Tab");
    await page.keyboard.press("Tab");
    if ((await focused(page)) === "method") await page.keyboard.press("ArrowDown"); // by hand …
    if ((await focused(page)) === "method") await page.keyboard.press("ArrowUp"); // … no, over SSH
  }
  await visitor.allowing([/422/], async () => {
    await page.keyboard.press("Enter");
    await page.locator('[data-field-error="key"]').getByText("Give a private key or a password.").waitFor();
    await visitor.look("key-missing");
  });
  await focusIs(page, "field-key"); // the cursor is in the field to mend
  assert.equal(await page.locator("#field-hosts").inputValue(), "node[1-2].lab.test");
});
