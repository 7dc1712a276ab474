// A second person with a second factor, and what the audit log says of it.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { secret } from "../fixture/markers.mjs";
import { administrator, logIn } from "../fixture/people.mjs";
import { story } from "../fixture/story.mjs";
import { Visitor } from "../fixture/visitor.mjs";

const colleague = "grace";
const password = secret("the colleague's password", `pass ${randomBytes(12).toString("hex")}`);

/** What an authenticator app shows now for a secret in base32 (RFC 6238). @param {string} text */
function codeOf(text) {
  const bits = [...text].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac("sha1", key).update(step).digest();
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

story("a second person sets up a second factor, logs in with it, and all of it is on record", async () => {
  const { page: users } = await administrator();
  await users.goto("/users");
  await users.locator("#field-name").fill(colleague);
  await users.locator("#field-password").fill(password);
  await users.locator('#field-role input[value="operator"]').check();
  await users.getByRole("button", { name: "Add a user" }).click();
  await users.getByRole("link", { name: colleague, exact: true }).waitFor();

  const visitor = await Visitor.come();
  const { page } = visitor;
  await page.goto("/login");
  await logIn(visitor, password, colleague);
  await page.waitForURL("**/");
  await page.goto("/account/second-factor");
  await page.locator("#field-password").fill(password);
  await page.getByRole("button", { name: "Set up a second factor" }).click();
  await page.getByRole("heading", { name: "Scan this with an authenticator app" }).waitFor();
  await visitor.look();
  const shared = (await page.locator(".factor-offer .copyable > span").innerText()).replaceAll(/\s/g, "");
  await page.locator("#field-code").fill(codeOf(shared));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("Your recovery codes").first().waitFor();
  await visitor.look("codes");
  const [recovery] = await page.locator(".recovery-codes li").allInnerTexts();
  await visitor.leave();

  const later = await Visitor.come();
  await later.page.goto("/login");
  await logIn(later, password, colleague);
  await later.page.getByText("Your password is right. Now the code of your app.").waitFor();
  await later.look();
  await later.allowing([/40[13]|422/], async () => {
    await later.page.locator("#field-code").fill("no code");
    await later.page.getByRole("button", { name: "Log in" }).click();
    await later.page.locator(".field-error, .problems, [role=alert]").first().waitFor();
    await later.look("refused");
  });
  await later.page.locator("#field-code").fill(recovery ?? "");
  await later.page.getByRole("button", { name: "Log in" }).click();
  await later.page.waitForURL("**/");
  await later.page.goto("/account/second-factor");
  await later.page.getByText("A second factor is in use.").waitFor();
  await later.look("in use");

  await users.goto(`/audit?actor=${colleague}`);
  const acts = await users.locator("table.grid tbody tr").allInnerTexts();
  for (const act of ["Set up a second factor", "Log in, second step"]) assert.ok(acts.some((text) => text.includes(act)), `${act} is not among\n${acts.join("\n")}`);
  await users.goto("/audit/verify");
  await users.getByText("The log is as it was written").waitFor();
});
