import assert from "node:assert/strict";
import { administrator } from "../fixture/people.mjs";
import { api } from "../fixture/server.mjs";
import { story } from "../fixture/story.mjs";
import { Visitor } from "../fixture/visitor.mjs";

/**
 * Language, theme and width are independent of each other: each is seen in all its values, and not with all of the others'.
 * @type {(import("playwright-core").BrowserContextOptions & {variant: string, phone: boolean})[]}
 */
const variants = [
  { variant: "en", phone: true },
  { variant: "zh-dark", phone: false, locale: "zh-CN", colorScheme: "dark" },
];

/** Every page that somebody who is logged in can see, with what the run so far has left. */
async function pages() {
  const [host] = (await api("/hosts")).items;
  const { items: operations } = await api("/operations");
  const failed = operations.find((/** @type {any} */ o) => o.counts.skipped > 0) ?? operations[0];
  const [task] = (await api(`/operations/${failed.id}`)).tasks;
  const command = await api(`/operations/${operations.find((/** @type {any} */ o) => o.kind === "command").id}`);
  const [certificate] = (await api("/certificates?state=valid")).items;
  const [token] = (await api("/enrol-tokens")).items;
  const [person] = (await api("/users")).items;
  const [uploaded] = (await api("/repositories/tools/packages")).items;
  const [entry] = (await api("/audit")).items;
  const revoke = `/trust/certificates/${certificate.serial}/revoke`;
  return [
    "/", "/hosts", "/hosts?search=nothing-is-called-so", `/hosts/${host.id}`, "/operations", `/operations/${failed.id}`,
    `/operations/${failed.id}/tasks/${task.id}`, `/operations/${command.id}`, "/commands/new", "/pushes/new", "/fetches/new", "/agent-upgrades/new", "/host-removals/new", "/host-checks", "/host-checks/new", "/jobs", "/jobs?state=lost",
    `/jobs/${command.tasks[0].job_id}`, "/child-agents", "/child-agents?status=fatal", "/child-agents/new", "/child-agents/manage",
    `/child-agents/configure?host=${host.id}&name=BasicAgent&version=1.5.6`, "/child-agents/catalogue", "/trust", "/trust?state=revoked", revoke,
    "/trust/waiting", "/trust/waiting?state=refused", "/trust/tokens", `/trust/tokens/${token.id}`, "/trust/tokens/new", "/trust/policies", "/trust/bundles/new", "/trust/authority", "/trust/repository-key",
    "/repositories", "/repositories/tools", "/repositories/tools?search=nothing", `/repositories/tools/packages/${uploaded.digest}`, `/repositories/tools/packages/${uploaded.digest}/hosts`, "/repositories/tools/upload",
    "/repositories/tools/snapshots", "/repositories/tools/diff?from=1&to=3", "/repositories/tools/channels", "/repositories/tools/mirrors", "/repositories/tools/use",
    "/repositories/tools/remove", "/audit", `/audit/${entry.id}`, "/audit/verify",
    "/users", `/users/${person.id}`, "/account", "/account/second-factor", "/events", "/events?severity=error", "/wizards",
  ];
}

for (const { phone, ...options } of variants) {
  story(`every page, ${options.variant}`, async () => {
    const visitor = await administrator(options);
    visitor.phone = phone;
    for (const path of await pages()) await visitor.visit(path, path.includes("?") ? "filtered" : "");
    await visitor.allowing([/404/], () => visitor.visit("/hosts/999999", "missing"));
    await run(visitor);
    await wizard(visitor);
    const stranger = await Visitor.come(options);
    stranger.phone = phone;
    await stranger.visit("/login");
  });
}

/** The run that an earlier story has left open: its table, a log, its summary. @param {Visitor} visitor */
async function run(visitor) {
  const { page } = visitor;
  await page.goto("/wizards");
  await page.locator(".draft").filter({ hasText: "dc1-prod" }).locator('a[href$="/confirm"]').click();
  await visitor.look();
  await page.locator("tr[data-row] a[data-log]").last().click();
  await page.locator("log-drawer .line").first().waitFor();
  await visitor.look("log");
  await visitor.visit(new URL(page.url()).pathname.replace("confirm", "checks"));
  await visitor.visit(new URL(page.url()).pathname.replace("checks", "summary"));
}

/** Every step of a wizard, which is left as it was found. @param {Visitor} visitor */
async function wizard(visitor) {
  const { page } = visitor;
  await page.goto("/wizards");
  await page.locator("main form .pf-m-primary:visible").click();
  await page.locator("#field-cluster").fill("dc1-prod");
  await visitor.look();
  await page.locator("main form .pf-m-primary:visible").click();
  await page.waitForURL(/\/versions$/);
  await visitor.look();
  await page.locator("main form .pf-m-primary:visible").click();
  await page.waitForURL(/\/hosts$/);
  await page.locator("#field-hosts").fill("node[1-3].lab.test\nnode[3-1].lab.test");
  await page.locator("[data-preview-errors] li").waitFor();
  await visitor.look();
  await page.locator("#field-hosts").fill("node[1-3].lab.test");
  await page.locator('input[name="method"][value="manual"]').check();
  await page.locator("main form .pf-m-primary:visible").click();
  await page.waitForURL(/\/manual$/);
  await visitor.look();
}

story("language and theme are chosen in the header, and kept", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await page.goto("/hosts");
  await page.getByRole("button", { name: "中文" }).click();
  await page.getByRole("heading", { name: "主机" }).first().waitFor();
  assert.equal(new URL(page.url()).pathname, "/hosts", "the same page");
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-CN");
  await page.getByRole("button", { name: "使用深色主题" }).or(page.getByRole("button", { name: "使用浅色主题" })).click();
  const theme = await page.locator("html").getAttribute("class");
  await visitor.visit("/events", "chosen");
  assert.equal(await page.locator("html").getAttribute("class"), theme);
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-CN");
  assert.notEqual(theme, "theme-auto");
});
