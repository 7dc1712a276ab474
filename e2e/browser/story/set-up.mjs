import assert from "node:assert/strict";
import { secret, password } from "../fixture/markers.mjs";
import { logIn, name, remember } from "../fixture/people.mjs";
import * as server from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";
import { Visitor } from "../fixture/visitor.mjs";

let link = "";

story("the set-up link makes the first administrator", async () => {
  link = /http\S+/.exec(await server.start())?.[0] ?? "";
  const visitor = await Visitor.come();
  const { page } = visitor;
  await visitor.visit("/");
  assert.equal(new URL(page.url()).pathname, "/setup", "before there is anybody, every page leads to the set-up");
  const small = await Visitor.come({ variant: "zh-dark-390", locale: "zh-CN", colorScheme: "dark", viewport: { width: 390, height: 844 } });
  await small.visit(link);

  await page.goto(link);
  await page.locator("#field-name").fill(name);
  await page.locator("#field-password").fill(password);
  await page.locator("#field-confirm").fill(`${password}?`);
  await visitor.allowing([/422/], async () => {
    await page.getByRole("button", { name: "Create administrator" }).click();
    await page.getByText("The two passwords differ.").first().waitFor();
    await visitor.look("refused");
  });
  await page.locator("#field-password").fill(password);
  await page.locator("#field-confirm").fill(password);
  await page.getByRole("button", { name: "Create administrator" }).click();
  await page.getByText("Welcome. You are the administrator.").waitFor();
  await page.getByRole("heading", { name: "Bring your hosts in" }).waitFor();
  await visitor.look("welcome");
  for (const path of ["/hosts", "/operations", "/events", "/wizards"]) await visitor.visit(path, "empty");
  secret("the API token", server.makeToken());
});

story("the link is dead afterwards, and one logs in and out", async () => {
  const visitor = await Visitor.come();
  const { page } = visitor;
  await page.goto(link);
  assert.equal(new URL(page.url()).pathname, "/login");
  await visitor.look();
  await visitor.allowing([/40[13]|422/], async () => {
    await logIn(visitor, "not the password");
    await page.getByText("User name or password is wrong.").first().waitFor();
    await visitor.look("refused");
  });
  assert.equal(await page.locator("#field-name").inputValue(), name, "the name is still there");
  await logIn(visitor);
  await page.getByRole("heading", { name: "Bring your hosts in" }).waitFor();

  await page.getByText(name, { exact: true }).first().click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByText("You are logged out.").waitFor();
  await page.goto("/hosts");
  assert.equal(new URL(page.url()).pathname, "/login");
  await logIn(visitor);
  await page.waitForURL("**/hosts", {}); // where one wanted to go
  await remember(visitor);
});
